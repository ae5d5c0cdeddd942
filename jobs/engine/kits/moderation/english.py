"""Whether a text has any English word: a word or two are too few to tell a language by their letters.

The words are those of the embedding model's vocabulary, which was made of English books and Wikipedia, with their endings, and
slang.
"""

from __future__ import annotations

import re
from functools import cache

from jobs.engine.formats import language
from jobs.engine.llm.embeddings import builtin

_WORD = re.compile(r"[^\W\d_]+")
_REPEATED = re.compile(r"(.)\1{2,}")
_BEGINNINGS = ("un", "over", "re", "non", "mis", "out", "under", "super", "anti", "dis", "in", "im")
_ENDINGS = (
    *("s", "es", "ed", "d", "er", "r", "ing", "ly", "y", "ness", "able", "less", "ful", "est", "st", "ish"),
    *("ity", "ation", "ously", "ingly", "ize", "izing", "ized"),
)
_SLANG = """
    afaik arse arsehole asap asshole bitch bitches bro brb bruh btw bullshit congrats cunt dammit damnit dontcha douche
    douchebag dude dumbass dunno dyke eww fag faggot ffs fucker fuckface ftw fyi gg goodluck gonna gotta gr gtfo ha haha
    hahaha hehe hmm homie hooray idc idgaf idk idiotic imho imo irl jerk kys lemme lit lmao lmfao lol lulz meh moron
    motherfucker nah ngl nigga nigger nope nvm ok okay omfg omg pls plz prick puke pussy quirky refund retard retarded
    rofl scam scum sheesh sis slut smh spam spammer stfu tbh thot thx tits tldr tranny tweet twat ty tysm ugh wanker
    wannabe weirdo whore wtf wth xoxo ya yay yeah yeet yep yikes yolo yuck yup
"""
_ALSO_ENGLISH = frozenset(("am", "bad", "die", "do", "hat", "her", "man", "me", "no", "pas", "per", "son", "war"))
_VOWELS = re.compile("[aeiouy]")


def is_unknown(text: str) -> bool:
    """Whether there are words in this text and none of them is English."""
    words = _WORD.findall(text.lower())
    return bool(words) and not any(_is_english(word) for word in words)


def _is_english(word: str) -> bool:
    known = _vocabulary()
    if word in language.words_of_others("en") and word not in _ALSO_ENGLISH:
        return False
    short = _REPEATED.sub(r"\1", word)
    return (
        word in known or (short != word and (short in known or not _VOWELS.search(short))) or _is_made_of(word, known)
    )


def _is_made_of(word: str, known: frozenset[str]) -> bool:
    """Whether it is an English word with an ending or a beginning."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        doubled = stem[:-1] if stem[-1] == stem[-2] else stem
        if known & {stem, f"{stem}e", doubled, f"{stem[:-1]}y" if stem[-1] == "i" else stem}:
            return True
    starts = (word.removeprefix(one) for one in _BEGINNINGS if word.startswith(one))
    return any(len(rest) >= 4 and (rest in known or _is_made_of(rest, known)) for rest in starts)


@cache
def _vocabulary() -> frozenset[str]:
    return builtin.vocabulary() | language.words_of("en") | set(_SLANG.split())
