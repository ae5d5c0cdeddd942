"""The language of a text, from character n-grams (py3langid), or None where that is not sure.

The model knows 140 languages, and finds rare ones in tables, names and slang. So it chooses only among languages that files
and messages are usually in, and an answer counts from a probability on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

WINDOW = 2_000  # characters that are judged together
WINDOWS = 5  # spread over a long text: its beginning may be a list, a quotation or a licence
LEAST_LETTERS = 12
SURE = 0.8
NOT = 0.02  # a language less probable than this is ruled out, if others are probable enough
NOT_BY_WORDS = 0.06  # the same, if the text has words of others and none of its own
GROUP = 0.5  # how probable the others are then, together with those near to them;
ALONE = 0.8  # for a single word, which is often a name

_USUAL = """
    af ar az be bg bn ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko lo lt lv mk ml mn
    mr my ne nl no pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh
"""
USUAL = tuple(_USUAL.split())
# Languages so near to each other that a few words of one are as probable in another.
_NEAR = [
    set(one.split())
    for one in ("da no sv is", "es pt gl ca it fr ro", "hr sl sr", "cs sk", "nl af de", "tr az uz", "ru uk be bg mk")
]
# Frequent words for texts too short for n-grams, without those that names have in other languages too (la, de, van).
_WORDS = {
    "cs": "jsem jsi jste není proč tě mě že co když jako ještě",
    "da": "jeg ikke hvad hvordan dig mig det og være",
    "de": "ich dich dir mich mir bist sind nicht und ein eine das dem wir ihr euch für auf mit zum zur halt mal doch endlich",
    "en": "the is are was be been you your my he she they we it its this that these of and to for with from about what who why how"
    " when where not don't can't i'm it's i will would can could should have has had do does did all any some so if but or at by"
    " just like get got go out up now ur yo lol omg wtf lmao our their them him her his there here more very",
    "es": "que qué te tu eres es una un por para muy con está cállate vete como pero yo mi",
    "fi": "sinä minä olet sinun ei että mitä hän",
    "fr": "je tu te toi ta ton tes est es et une des pas vous nous que qui moi ferme va c'est",
    "hu": "te egy nem vagy az és hogy meg mit",
    "id": "kamu saya yang tidak dan ini itu lu gue kau",
    "it": "che ti tu sei una un non per mi sono è con vai",
    "no": "jeg ikke hva hvordan deg meg det og være",
    "nl": "je jij ik bent een het niet wat hou jou op voor",
    "pl": "się nie jest ty jesteś cię mnie że jak ja stąd",
    "pt": "você que não um uma é eu te seu sua vai se para com os tu",
    "ro": "ești te nu și un că mă",
    "sv": "jag är inte och dig mig att det på håll",
    "tr": "sen ben bir bu seni çok ve git lan ne için değil",
}
# Articles and prepositions, which names in other languages have too: only where a text is longer than a name.
_ARTICLES = {
    "de": "der die das dem den des im am zu von wenn sich sie er wurde werden aus bei nach über",
    "en": "in on was were as into",
    "es": "el la los las de en del y al se su lo sus",
    "fr": "le la les de des du en au aux dans sur par et ce cette il elle",
    "it": "il la lo gli le di del della nel e al da i",
    "nl": "de het van te dat die zijn aan er om met",
    "pt": "o a os as de do da dos das em no na e ao",
    "ro": "de la în pe cu din este sunt",
    "sv": "en ett den som av för med till är",
    "da": "en den der som af til på med er",
    "no": "en et den som av til på med er",
}
_KNOWN = {name: frozenset(words.split()) for name, words in _WORDS.items()}

_NOISE = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+|[@#]\w+|[\d_]+|<[^>]{1,200}>")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def language(text: str) -> str | None:
    """The language as ISO 639-1; None unless it is sure."""
    found = [_probabilities(part) for part in _windows(text)]
    if not found:
        return None
    mean = {name: sum(one[name] for one in found) / len(found) for name in USUAL}
    best = max(mean, key=mean.__getitem__)
    return best if mean[best] >= SURE else None


def by_words(text: str) -> str | None:
    """The language that most frequent words of a text are of, without a model: good enough for stems."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    counts = {name: sum(word in known for word in words) for name, known in _frequent().items()}
    best, next_best = sorted(counts, key=counts.__getitem__, reverse=True)[:2]
    return best if counts[best] >= 2 and counts[best] > counts[next_best] else None


def words_of(code: str) -> frozenset[str]:
    """The frequent words of a language."""
    return _frequent().get(code, frozenset())


@cache
def words_of_others(code: str) -> frozenset[str]:
    """The frequent words of other languages that are none of this one."""
    return frozenset().union(*(words for name, words in _frequent().items() if name != code)) - words_of(code)


@cache
def _frequent() -> dict[str, frozenset[str]]:
    names = _KNOWN.keys() | _ARTICLES.keys()
    return {name: _KNOWN.get(name, frozenset()) | set(_ARTICLES.get(name, "").split()) for name in names}


def is_not(text: str, code: str) -> bool:
    """Whether a text is surely in another language than this, also where it is not sure in which."""
    part = next(_windows(text, least=4), None)
    if part is None:
        return False
    probable = _probabilities(part)
    best = max(probable, key=probable.__getitem__)
    if best == code:
        return False
    if probable[code] < NOT and sum(probable[name] for name in _near(best)) >= (GROUP if " " in part else ALONE):
        return True
    return probable[code] < NOT_BY_WORDS and _has_words_of_others(part, code)


def _has_words_of_others(text: str, code: str) -> bool:
    words = set(_WORD.findall(text.lower().replace("\u2019", "'")))
    own = _KNOWN.get(code, frozenset())
    return not words & own and any(words & known - own for name, known in _KNOWN.items() if name != code)


def _near(name: str) -> set[str]:
    return next((group for group in _NEAR if name in group), {name})


def _windows(text: str, least: int = LEAST_LETTERS) -> Iterator[str]:
    """Up to WINDOWS parts of a text, without addresses and numbers; none where it has too few letters."""
    step = max(WINDOW, (len(text) - WINDOW) // (WINDOWS - 1))
    for start in range(0, max(len(text), 1), step):
        part = " ".join(_NOISE.sub(" ", text[start : start + WINDOW]).split())
        part = part.lower() if part.isupper() else part
        if sum(map(str.isalpha, part)) >= least:
            yield part


def _probabilities(text: str) -> dict[str, float]:
    found = dict.fromkeys(USUAL, 0.0)
    for name, probability in _identifier().rank(text):
        found[str(name)] += float(probability)  # some languages have two labels, one for each script
    return found


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(USUAL))
    return identifier
