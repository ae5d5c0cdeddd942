"""Search by words in the languages that people write, by titles and meta, and to the letter."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from jobs.engine import library
from jobs.engine.db import postgres
from jobs.engine.errors import Skip
from jobs.engine.library import chunking, edits, indexing, prepared, query_terms, terms, upkeep
from tests.engine.library.test_documents import OWNER, index

# Collection -> its documents, and questions with the title that must come first.
LANGUAGES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "japanese": (
        {
            "A": "大阪工場の朝は早い。社員は体操をして仕事を始める。昼には食堂で弁当を食べる。",
            "B": "会議では予算が話し合われた。経営者は新しい計画を示した。来年は人を増やす。",
            "C": "京都の寺を訪ねた。庭の紅葉が美しかった。帰りに和菓子を買った。",
            "D": "台風が近づいている。電車は止まる見込みである。早めに帰宅してください。",
        },
        {
            **dict.fromkeys(("弁当", '"弁当"', "「弁当」", "体操"), "A"),
            **dict.fromkeys(("紅葉", "寺", '"寺を訪ねた"'), "C"),
            "台風": "D",
        },
    ),
    "chinese": (
        {
            "A": "上海的地铁很方便，每天有一千万人乘坐。",
            "B": "这家餐馆的豆腐非常好吃，价格便宜。",
            "C": "图书馆周末不开门，请在工作日来借书。",
        },
        {"豆腐": "B", '"借书"': "C", "地铁": "A", "图书馆几点开门": "C"},
    ),
    "korean": (
        {"A": "회사는 내년에 새 공장을 짓는다.", "B": "도서관에서 책을 빌렸다.", "C": "점심에는 도시락을 먹는다."},
        {"도시락": "C", '"도시락을"': "C", "도서관": "B", "공장": "A"},
    ),
    "thai": (
        {"A": "ร้านอาหารปิดวันจันทร์", "B": "ห้องสมุดเปิดทุกวันตั้งแต่เก้าโมงเช้า", "C": "รถไฟฟ้ามาสายเพราะฝนตก"},
        {"ห้องสมุด": "B", '"ฝนตก"': "C", "วันจันทร์": "A"},
    ),
    "arabic": (
        {
            "A": "المكتبة مفتوحة كل يوم من التاسعة صباحًا.",
            "B": "وصل القطار متأخرًا بسبب المطر.",
            "C": "اشترينا الكتاب من السوق القديم.",
        },
        {"كتاب": "C", '"كتاب"': "C", "مكتبه": "A", "القطار": "B", "مطر": "B"},
    ),
    "german": (
        {
            "A": "Der Haustürschlüssel liegt unter der Matte, wenn niemand da ist.",
            "B": "Die Krankenversicherung zahlt die Rechnungen des Arztes nicht.",
            "C": "Das Haus hat einen Garten und eine Garage, und es ist nicht groß.",
            "D": "Müller und Söhne sind umgezogen. Die neue Straße ist nicht weit.",
        },
        {
            "Schlüssel": "A",
            "Haustür": "A",
            "Versicherung": "B",
            "Rechnung": "B",
            "Muller": "D",
            "strasse": "D",
            "Gärten": "C",
        },
    ),
    "english": (
        {
            "A": "The laws of the sea were written by sailors and by the kings that they served.",
            "B": "She was running along the river when it began to rain.",
            "C": "Our résumé for the café is in the second drawer.",
        },
        {"law": "A", "runs": "B", "resume": "C", '"the river"': "B", "sailor king": "A"},
    ),
    "french": (
        {
            "A": "Les chevaux mangent de l'avoine dans les écuries.",
            "B": "Nous vendons des maisons anciennes, et nous les réparons.",
        },
        {"maison ancienne": "B", "ecurie": "A", "cheval": "A"},
    ),
    "russian": (
        {"A": "Книги стоят на полках в большой библиотеке.", "B": "Поезда опаздывают из-за снега и сильного ветра."},
        {"книга": "A", "поезд": "B", "библиотека": "A"},
    ),
    "titles": (
        {
            **{
                f"{kind} {what}": "A good thing for the house, made to last."
                for kind in ("Otter", "Heron")
                for what in ("Rug", "Chair", "Lamp")
            },
            "Falcon Desk Lamp": "A good thing for the house, made to last.",
            "Falcon": "A bird.",
        },
        {
            "Falcon Desk Lamp": "Falcon Desk Lamp",
            "falcon": "Falcon",
            "otter rug": "Otter Rug",
            "FALCON DESK": "Falcon Desk Lamp",
        },
    ),
}


def by_words(collection: str) -> None:
    """An index whose model answers nobody, so that words alone decide: the model that comes along knows English only."""
    number = indexing.begin(OWNER, collection, "of a provider that is gone", 100, 10, uuid4())
    for one in library.each(OWNER, collection):
        pieces = prepared.passages(library.document(one.id, OWNER, with_text=True), 100, 10)
        indexing.put(number, one.id, b"", pieces, [[1.0, 0.0]] * len(pieces))
    indexing.go_live(indexing.unfinished(number), 2)


def titles(question: str, collection: str) -> list[str]:
    return [one.title for one in library.search(OWNER, question, collection)]


def test_each_language_is_found_by_its_words(environment: Callable[..., None]) -> None:
    wrong: dict[str, list[str]] = {}
    for name, (documents, questions) in LANGUAGES.items():
        for title, body in documents.items():
            library.add_text(OWNER, name, title, body)
        by_words(name)
        found = {question: titles(question, name) for question in questions}
        wrong |= {f"{name}: {one}": found[one] for one, expected in questions.items() if found[one][:1] != [expected]}
    assert wrong == {}


def test_quotes_are_meant_to_the_letter(environment: Callable[..., None]) -> None:
    texts = {
        "A": "The part AB-12 fits.",
        "B": "Parts AB 12 and 34.",
        "C": "A desk. The lamp. Desk lamp!",
        "D": "The lamp of the desk.",
    }
    for title, body in texts.items():
        library.add_text(OWNER, "a", title, body)
    by_words("a")
    assert titles('"AB-12"', "a")[0] == "A"
    assert titles('"AB 12"', "a")[0] == "B"
    assert titles('"desk lamp"', "a")[0] == "C"
    assert titles("“The lamp of”", "a")[0] == "D"
    assert library.search(OWNER, '"lamp desk"', "a") == []


def test_a_word_counts_once_in_a_passage_of_no_known_language(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "a", "A", "0x1f 9.1 stores xq")
    library.add_text(OWNER, "a", "B", "It was the first of the stores that they had ever seen in the town.")
    by_words("a")
    assert len({one.score for one in library.search(OWNER, "stores", "a")}) == 1


def test_names_and_meta_are_found(environment: Callable[..., None]) -> None:
    library.add_text(
        OWNER, "a", "Invoice", "To be paid soon.", name="kx-rotor.pdf", meta={"customer": "Okonkwo", "no": 4711}
    )
    library.add_text(OWNER, "a", "Letter", "To be paid soon.", meta={"tags": ["urgent"], "from": {"city": "Malmö"}})
    by_words("a")
    found = {question: titles(question, "a")[:1] for question in ("rotor", "Okonkwo", "4711", "urgent", "malmo")}
    assert found == {
        "rotor": ["Invoice"],
        "Okonkwo": ["Invoice"],
        "4711": ["Invoice"],
        "urgent": ["Letter"],
        "malmo": ["Letter"],
    }


def test_what_was_indexed_by_the_version_before_is_still_found(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "a", "Old", "The kettle of the Café is red.")
    by_words("a")
    with postgres.session() as session:
        session.execute(
            text("""
                with gone as (delete from chunks returning generation_id, document_id, position, headings, text, embedding)
                insert into chunks (generation_id, document_id, position, headings, text, embedding) select * from gone
            """)
        )
    assert titles("kettle", "a") == ["Old"]
    assert titles('"is red"', "a") == ["Old"]


def test_a_changed_title_is_a_reason_to_index_again(environment: Callable[..., None]) -> None:
    number = library.add_text(OWNER, "a", "Old", "The kettle is red.")
    library.add_text(OWNER, "a", "Other", "Nothing of that.")
    index("a")
    with pytest.raises(Skip):
        upkeep.reindex(OWNER, number, dry_run=False)
    with postgres.session() as session:
        edits.change(session, OWNER, number, "rename", {"title": "Falcon"}, dry_run=False)
    assert library.collections(OWNER)[0].changed == 1
    upkeep.reindex(OWNER, number, dry_run=False)
    assert titles("falcon", "a")[0] == "Falcon"


def test_letters_without_blanks_count_as_words() -> None:
    text_ = "大阪工場の朝は早い。" * 300
    pieces = list(chunking.chunks(text_, 160, 30))
    assert max(len(piece.text) for piece in pieces) <= 160
    assert all(piece.text.endswith("。") for piece in pieces)
    assert len({piece.text for piece in chunking.chunks("word " * 300, 160, 0)}) == 2


def test_the_title_goes_along_with_a_passage_that_does_not_begin_with_it() -> None:
    piece = chunking.Chunk(0, "", "The kettle.", title="Falcon")
    assert piece.embedded == "Falcon\nThe kettle."
    assert chunking.Chunk(0, "", "Falcon. The kettle.", title="Falcon").embedded == "Falcon. The kettle."
    assert chunking.Chunk(1, "Falcon > Use", "The kettle.", title="Falcon").embedded == "Falcon > Use\nThe kettle."


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=60))
def test_any_text_makes_a_tsvector_and_a_question(environment: Callable[..., None], written: str) -> None:
    with postgres.session() as session:
        piece = chunking.Chunk(0, written, written, title=written, more=written, language="de")
        vector = terms.vector_of(session, piece)
        for term in query_terms.read(session, f'{written} "{written}"', ["de", "en"]):
            session.execute(text("select cast(:v as tsvector) @@ cast(:q as tsquery)"), {"v": vector, "q": term.query})
