"""What a question asks for by words: words with their stems and parts, codes, and phrases in quotes, as tsqueries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.engine.library import terms

MOST = 32
MOST_WORDS = 16  # for a part of a run without blanks

_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f'
_ASKED = re.compile(f"[{_QUOTES}]([^{_QUOTES}]+)[{_QUOTES}]|([^\\s{_QUOTES}]+)")
_LITERAL = re.compile(r"\w*\d.*|.*\w[/_.:@+]\w.*|[A-Z][A-Z-]*[A-Z]")  # not “in-memory”
_AROUND = "'.,;:!?()[]{}\u2018\u2019\u3001\u3002\uff0c\uff1f\uff01"


@dataclass(frozen=True)
class Term:
    """query: as Postgres has it. literal: a code or a phrase in quotes. phrase: that phrase, folded.

    filler: a word such as “the”, which a language has no stem for.
    """

    query: str
    literal: bool = False
    phrase: str = ""
    filler: bool = False

    @property
    def forms(self) -> list[str]:
        """The queries for each form alone: as written, as a stem, as a part."""
        return self.query.split(" | ")


def read(session: Session, q: str, languages: Sequence[str]) -> list[Term]:
    """The terms of a question, for passages with stems of these languages; fillers only where there is nothing else."""
    found: dict[str, Term] = {}
    for phrase, word in _ASKED.findall(q):
        for term in _of_phrase(phrase) if phrase else _of_word(session, word.strip(_AROUND), languages):
            found.setdefault(term.query, term)
    telling = [term for term in found.values() if not term.filler]
    return (telling or list(found.values()))[:MOST]


def whole(q: str) -> str:
    """The tsquery for documents whose whole title is the question."""
    lexeme = terms.whole_of(q)
    return terms.quoted(lexeme) if lexeme else ""


def _of_phrase(phrase: str) -> list[Term]:
    query = _in_order(phrase)
    return [Term(query, True, terms.folded(" ".join(phrase.split())))] if query else []


def _of_word(session: Session, word: str, languages: Sequence[str]) -> list[Term]:
    if _LITERAL.fullmatch(word):
        query = _in_order(word)
        return [Term(query, True)] if query else []
    found = [run for one in terms.words(word) for run in terms.runs(one)]
    return [
        term
        for run in found
        for term in (_paired(run) if terms.is_paired(run) else [_any_form(session, run, languages)])
    ]


def _paired(run: str) -> list[Term]:
    lexemes = terms.pairs(terms.folded(run))
    return [Term(one) for one in dict.fromkeys(_whole_pairs(lexemes))][:MOST_WORDS]


def _any_form(session: Session, word: str, languages: Sequence[str]) -> Term:
    """A word as it is written, its stems, and as a part of longer ones where a language joins words."""
    plain = terms.folded(word[: terms.LONGEST_WORD])
    known = [one for one in languages if terms.has_stems(session, one)]
    stems = [terms.stems(session, one, [word]).get(word, "") for one in known]
    forms = [plain, terms.without_article(plain), *filter(None, stems)]
    queries = [terms.quoted(form) for form in dict.fromkeys(forms)]
    if len(plain) >= terms.LEAST_PART and terms.JOINING.intersection(languages):
        queries.append(f"{terms.quoted(terms.PART + plain[: terms.LONGEST_PART])}:*")
    return Term(" | ".join(queries), filler=bool(stems) and not all(stems))


def _in_order(written: str) -> str:
    lexemes: list[str] = []
    for run in (run for word in terms.words(written) for run in terms.runs(word)):
        lexemes += (
            _whole_pairs(terms.pairs(terms.folded(run))) if terms.is_paired(run) else [terms.quoted(terms.folded(run))]
        )
    return " <-> ".join(lexemes)


def _whole_pairs(lexemes: list[str]) -> list[str]:
    """Without the last letter alone; a single one is the beginning of a pair."""
    return [terms.quoted(one) for one in lexemes[:-1]] or [f"{terms.quoted(lexemes[0])}:*"]
