"""The text of a report by a language model: what it is given, and whether it kept to the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from jobs.engine.errors import LegworkError
from jobs.engine.kits.reports.figures import ReportPlan
from jobs.engine.llm import client

SYSTEM = (
    "You describe a table of figures for a busy reader in two to four plain sentences. Name what is largest, smallest and "
    "remarkable. Use only numbers that are given to you, as they are given. Do not compute, guess or explain causes. "
    "No headings, no lists, no Markdown."
)
MOST_GROUPS = 20
LONGEST = 300  # tokens
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\d(?:[\d,\u202f\u00a0']*\d)?(?:\.\d+)?(?:[eE][+-]?\d+)?\s?(thousand|million|billion|[kKM](?!\w)|bn\b|%)?"
)
_SCALES = {"thousand": 1e3, "k": 1e3, "K": 1e3, "million": 1e6, "M": 1e6, "billion": 1e9, "bn": 1e9}


async def written(
    model: client.Chat, name: str, title: str, figures: dict[str, Any], plan: ReportPlan
) -> tuple[str, str, tuple[int, int]]:
    """A text whose every number is a figure, asked for twice; else why there is none. And the tokens it took."""
    asked = given(title, figures, [one.label for one in plan.measures], plan.group_by)
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}]
    spent, wrong = (0, 0), [""]
    for _ in range(2):
        try:
            answer = await model.complete(messages, model=name, max_tokens=LONGEST, temperature=0.2)
        except LegworkError as error:
            return "", f"There is no text, since the model did not answer: {error.message}", spent
        spent = spent[0] + answer.prompt_tokens, spent[1] + answer.completion_tokens
        wrong = strangers(answer.text, figures, [title])
        if answer.text.strip() and not wrong:
            return answer.text.strip(), "", spent
        again = f"These numbers are not in the figures: {', '.join(wrong[:10])}. Write it again and use only numbers that are."
        messages += [{"role": "assistant", "content": answer.text}, {"role": "user", "content": again}]
    because = f"it used numbers that were not computed ({', '.join(wrong[:5])})" if wrong else "it was empty"
    return "", f"The text of the model was left out, twice: {because}.", spent


def given(title: str, figures: dict[str, Any], labels: list[str], keys: list[str]) -> str:
    """The figures as the model reads them."""
    said: dict[str, Any] = {"title": title, "rows": figures["rows_used"]}
    said["overall"] = dict(zip(labels, _rounded(figures["totals"]), strict=True))
    if groups := figures["groups"]:
        said["groups"] = [
            dict(zip([*keys, *labels], _rounded(row), strict=True)) for row in groups["rows"][:MOST_GROUPS]
        ]
        said["number of groups"] = groups["count"]
    if periods := figures["periods"]:
        said["periods"] = [
            dict(zip([figures["period"], *labels], _rounded(row), strict=True)) for row in periods[-MOST_GROUPS:]
        ]
    return json.dumps(said, ensure_ascii=False, default=str)


def strangers(text: str, figures: dict[str, Any], words: Iterable[str]) -> list[str]:
    """The numbers in a text that are none of the figures, however rounded. words: texts whose own numbers may be used."""
    known = list(_figures(figures))
    known += [float(number) for word in words for number in re.findall(r"\d+(?:\.\d+)?", word)]
    return [found.group().strip() for found in _NUMBER.finditer(text) if not _known(found, known)]


def _known(found: re.Match[str], known: list[float]) -> bool:
    scale = _SCALES.get(found[1] or "", 1.0)
    digits = re.sub(r"[,\u202f\u00a0'\s]|thousand|million|billion|bn|[kKM%]", "", found.group()).replace("\u2212", "-")
    places = len(digits.partition(".")[2]) if "e" not in digits.lower() else 0
    said, slack = float(digits) * scale, 0.5 * 10**-places * scale
    return any(abs(abs(value) - abs(said)) <= slack * (1 + 1e-9) for value in known)


def _figures(figures: dict[str, Any]) -> Iterable[float]:
    groups = figures["groups"] or {"rows": [], "others": None, "count": 0}
    rows = [*groups["rows"], *(figures["periods"] or []), figures["totals"], groups["others"] or []]
    yield from (float(one) for one in (figures["rows_read"], figures["rows_used"], groups["count"]))
    yield from (float(len(rows)) for rows in (groups["rows"], figures["periods"] or []))
    for row in rows:
        for value in row:
            if isinstance(value, int | float):
                yield float(value)
            elif isinstance(value, str):
                yield from (float(number) for number in re.findall(r"\d+(?:\.\d+)?", value))


def _rounded(row: list[Any]) -> list[Any]:
    return [round(value, 2) if isinstance(value, float) and abs(value) >= 1 else value for value in row]
