"""The words of passages and questions, as Postgres' full-text search has them; made here, since its own parser knows no words
in Chinese, Japanese, Korean or Thai, and cuts others by the locale of the server.

A word is a lexeme as it is written, folded (no case, no accents), and at the same place its stem, where the language has one in
Postgres. Scripts without blanks are cut into pairs of letters. Long words of languages that join words are findable by parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.formats import language
from jobs.engine.library.chunking import WITHOUT_BLANKS, Chunk

STEMMERS = {
    **{
        "ar": "arabic",
        "ca": "catalan",
        "da": "danish",
        "de": "german",
        "el": "greek",
        "en": "english",
        "es": "spanish",
    },
    **{
        "et": "estonian",
        "eu": "basque",
        "fi": "finnish",
        "fr": "french",
        "ga": "irish",
        "hi": "hindi",
        "hu": "hungarian",
    },
    **{"hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch"},
    **{"no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian"},
    **{"sv": "swedish", "ta": "tamil", "tr": "turkish"},
}
JOINING = frozenset({"da", "de", "fi", "hu", "is", "nl", "no", "sv"})  # languages that write several words as one
PART, WHOLE = "~", "="  # before parts of words, and before a whole title
LONG, LEAST_PART, LONGEST_PART = 8, 4, 12  # letters
LONGEST_WORD = 200
LAST_PLACE = 16_383  # that a tsvector has
LONGEST_TITLE = 200

_PAIRED = re.compile(f"[{WITHOUT_BLANKS}]+")
_SCRIPTS = {"GREEK": "el", "CYRILLIC": "ru", "ARABIC": "ar", "DEVANAGARI": "hi", "TAMIL": "ta", "ARMENIAN": "hy"}
_LETTERS = str.maketrans(
    {
        **{"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i"},
        # Arabic: alef with hamza or madda, alef maqsura, teh marbuta; the stretching sign
        **dict.fromkeys("\u0623\u0625\u0622", "\u0627"),
        **{"\u0649": "\u064a", "\u0629": "\u0647", "\u0640": None},
    }
)
# Arabic: and, then, with, like, the article, before a noun and written as one word with it
_ARTICLE = re.compile("(?:[\u0648\u0641\u0628\u0643]?\u0627\u0644|\u0644\u0644|\u0648)(?=.{3})")


def folded(written: str) -> str:
    """Without case, accents and forms of letters: what is compared where letters count."""
    plain = unicodedata.normalize("NFKC", written).casefold()
    apart = unicodedata.normalize("NFD", plain)
    bare = "".join(
        letter for letter in apart if not "\u0300" <= letter <= "\u036f" and not "\u064b" <= letter <= "\u0655"
    )
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


def words(written: str) -> Iterator[str]:
    """The words of a text in its order, as written but for case; scripts without blanks in runs."""
    for found in _word().finditer(unicodedata.normalize("NFKC", written).lower()):
        yield found[0]


def runs(word: str) -> Iterator[str]:
    """A word, taken apart where a script without blanks begins or ends."""
    end = 0
    for found in _PAIRED.finditer(word):
        if found.start() > end:
            yield word[end : found.start()]
        yield found[0]
        end = found.end()
    if end < len(word):
        yield word[end:]


def is_paired(run: str) -> bool:
    return _PAIRED.match(run) is not None


def pairs(run: str) -> list[str]:
    """Pairs of letters, and the last letter, so that a single one is found as the beginning of a pair."""
    return [run[at : at + 2] for at in range(len(run))]


def language_of(written: str) -> str | None:
    """The language that is likely by its script or its frequent words: good enough for stems."""
    some = written[:20_000]
    scripts: dict[str, int] = defaultdict(int)
    for letter in some[:2_000]:
        if letter.isalpha():
            scripts[unicodedata.name(letter, " ").split()[0]] += 1
    script = max(scripts, key=scripts.__getitem__, default="")
    return language.by_words(some) if script == "LATIN" else _SCRIPTS.get(script)


def vector_of(session: Session, piece: Chunk) -> str:
    """The words of a passage, as a tsvector: those of its title weigh most in the first passage."""
    found = Lexemes(session, piece.language)
    found.add(piece.text)
    found.add(piece.headings, "B")
    found.add(piece.title, "C" if piece.position else "A")
    found.add(piece.more, "C")
    if not piece.position:
        found.add_whole(piece.title)
    return str(found)


class Lexemes:
    """The lexemes of one passage, part by part."""

    def __init__(self, session: Session, code: str | None) -> None:
        self._session = session
        self._code = code
        self._places: dict[str, list[str]] = defaultdict(list)
        self._at = 0

    def add(self, written: str, weight: str = "") -> None:
        """Add a text; weight: A to D, as Postgres has it."""
        runs_ = [run for word in words(written) for run in runs(word)]
        stem_of = stems(self._session, self._code, [run for run in runs_ if not is_paired(run)])
        for run in runs_:
            if is_paired(run):
                for pair in pairs(folded(run)):
                    self._put(pair, weight)
                    self._at += 1
            else:
                self._word(run, stem_of.get(run), weight)
                self._at += 1
        self._at += 1  # no phrase goes from one part into the next

    def add_whole(self, title: str) -> None:
        """Make a title findable by all of its words and nothing else."""
        if whole := whole_of(title):
            self._places[whole] = []

    def __str__(self) -> str:
        return " ".join(f"{quoted(lexeme)}{':' if at else ''}{','.join(at)}" for lexeme, at in self._places.items())

    def _word(self, word: str, stem: str | None, weight: str) -> None:
        plain = folded(word[:LONGEST_WORD])
        for lexeme in dict.fromkeys(filter(None, (plain, stem, without_article(plain)))):
            self._put(lexeme, weight)
        if self._code in JOINING and len(plain) >= LONG and plain.isalpha():
            for part in parts(plain):
                self._places.setdefault(part, [])

    def _put(self, lexeme: str, weight: str) -> None:
        place = min(self._at + 1, LAST_PLACE)
        self._places[lexeme].append(f"{place}{weight}")


def without_article(word: str) -> str:
    return _ARTICLE.sub("", word, count=1)


def parts(word: str) -> list[str]:
    """What a long word is found by: its beginnings, and all that follows a beginning of three letters or more."""
    starts = [0, *range(LEAST_PART - 1, len(word) - LEAST_PART + 1)]
    return [PART + word[start : start + LONGEST_PART] for start in starts]


def whole_of(title: str) -> str:
    """The lexeme of a whole title; empty if it has no words."""
    plain = " ".join(words(folded(title)))
    return WHOLE + plain[:LONGEST_TITLE] if plain else ""


def quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def stems(session: Session, code: str | None, some: Iterable[str]) -> dict[str, str]:
    """The folded stems of words in a language; those that it has no stem for, such as “the”, are left out."""
    if not code or not has_stems(session, code):
        return {}
    dictionary = STEMMERS[code]
    known = _known.setdefault(dictionary, {})
    new = [word for word in dict.fromkeys(some) if word not in known]
    if new:
        rows = session.execute(_STEMS, {"dictionary": f"{dictionary}_stem", "words": new})
        if len(known) > MOST_KNOWN:
            known.clear()
        known.update({row.word: folded(row.stem or "") for row in rows})
    return {word: known[word] for word in some if known.get(word)}


def has_stems(session: Session, code: str) -> bool:
    return STEMMERS.get(code) in _dictionaries(session)


MOST_KNOWN = 100_000
_STEMS = text("""
    select word, (ts_lexize(cast(:dictionary as regdictionary), word))[1] as stem from unnest(cast(:words as text[])) as word
""")


_known: dict[str, dict[str, str]] = {}  # dictionary -> word -> stem
_there: set[str] = set()  # the dictionaries of this server; asked for once


def _dictionaries(session: Session) -> set[str]:
    if not _there:
        names = session.scalars(text("select dictname from pg_ts_dict where dictname like '%\\_stem'"))
        _there.update(name.removesuffix("_stem") for name in names)
    return _there


@cache
def _word() -> re.Pattern[str]:
    """Letters, digits, and the marks that some scripts write words with; `\\w` has no marks."""
    marks, start = [], None
    for code in range(0x300, 0x3000):
        is_mark = unicodedata.category(chr(code)) in ("Mn", "Mc")
        if is_mark and start is None:
            start = code
        elif not is_mark and start is not None:
            marks.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    return re.compile(f"[^\\W_](?:[^\\W_]|[{''.join(marks)}])*")
