"""The summary of a report by a language model, with a check that it uses only numbers from the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from jobs.engine.billing import NO_BILL, Bill
from jobs.engine.errors import LegworkError
from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.llm import client

SYSTEM = (
    "You describe a table of figures for a busy reader in two to four plain sentences. Name what is largest, smallest and "
    "remarkable. Use only numbers that are given to you, as they are given. Do not compute, guess or explain causes. "
    "No headings, no lists, no Markdown."
)
MOST_GROUPS = 20
MOST_COLUMNS = 30
LONGEST = 300  # tokens
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\d(?:[\d,\u202f\u00a0']*\d)?(?:\.\d+)?(?:[eE][+-]?\d+)?\s?(thousand|million|billion|[kKM](?!\w)|bn\b|%)?"
)
_SCALES = {"thousand": 1e3, "k": 1e3, "K": 1e3, "million": 1e6, "M": 1e6, "billion": 1e9, "bn": 1e9}


async def written(
    model: client.Chat, name: str, title: str, figures: dict[str, Any], plan: ReportPlan
) -> tuple[str, str, Bill]:
    """A summary that uses only numbers from the figures (two attempts), or the reason why there is none; and the bill."""
    prompt = given(title, figures, [one.label for one in plan.measures], plan.group_by)
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    spent, unknown = NO_BILL, [""]
    for _ in range(2):
        try:
            answer = (await model.complete(messages, model=name, max_tokens=LONGEST, temperature=0.2)).given()
        except LegworkError as error:
            return "", f"There is no summary, because the model did not answer: {error.message}", spent + error.bill
        spent += answer.bill
        unknown = unknown_numbers(answer.text, figures, [title])
        if answer.text.strip() and not unknown:
            return answer.text.strip(), "", spent
        again = f"These numbers are not in the figures: {', '.join(unknown[:10])}. Write it again and use only numbers that are."
        messages += [{"role": "assistant", "content": answer.text}, {"role": "user", "content": again}]
    because = f"it used numbers that were not computed ({', '.join(unknown[:5])})" if unknown else "it was empty"
    return "", f"The model's summary was rejected twice: {because}.", spent


def given(title: str, figures: dict[str, Any], labels: list[str], keys: list[str]) -> str:
    """The figures as JSON, for the model."""
    summary: dict[str, Any] = {"title": title, "rows": figures["rows_used"]}
    summary["overall"] = dict(zip(labels, _rounded(figures["totals"]), strict=True))
    if profile := figures.get("profile"):
        summary["columns"] = [_brief(column) for column in profile["columns"][:MOST_COLUMNS]]
        summary |= {"remarkable": profile["warnings"], "correlations": profile["correlations"]}
    if groups := figures["groups"]:
        summary["groups"] = [
            dict(zip([*keys, *labels], _rounded(row), strict=True)) for row in groups["rows"][:MOST_GROUPS]
        ]
        summary["number of groups"] = groups["count"]
    if periods := figures["periods"]:
        summary["periods"] = [
            dict(zip([figures["period"], *labels], _rounded(row), strict=True)) for row in periods[-MOST_GROUPS:]
        ]
    return json.dumps(summary, ensure_ascii=False, default=str)


def _brief(column: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "type", "missing", "distinct", "least", "mean", "p50", "most", "outliers")
    return {key: column[key] for key in keys if key in column} | {"most frequent": column["top"][:3]}


def unknown_numbers(text: str, figures: dict[str, Any], words: Iterable[str]) -> list[str]:
    """The numbers in a text that are not rounded figures. words: texts whose numbers are allowed too."""
    known = list(_figures(figures))
    known += [float(number) for word in words for number in re.findall(r"\d+(?:\.\d+)?", word)]
    return [found.group().strip() for found in _NUMBER.finditer(text) if not _known(found, known)]


def _known(found: re.Match[str], known: list[float]) -> bool:
    scale = _SCALES.get(found[1] or "", 1.0)
    digits = re.sub(r"[,\u202f\u00a0'\s]|thousand|million|billion|bn|[kKM%]", "", found.group()).replace("\u2212", "-")
    places = len(digits.partition(".")[2]) if "e" not in digits.lower() else 0
    number, slack = float(digits) * scale, 0.5 * 10**-places * scale
    return any(abs(abs(value) - abs(number)) <= slack * (1 + 1e-9) for value in known)


def _figures(figures: dict[str, Any]) -> Iterable[float]:
    groups = figures["groups"] or {"rows": [], "others": None, "count": 0}
    rows = [*groups["rows"], *(figures["periods"] or []), figures["totals"], groups["others"] or []]
    yield from (float(one) for one in (figures["rows_read"], figures["rows_used"], groups["count"]))
    yield from _numbers_in(figures.get("profile"))
    yield from (float(len(rows)) for rows in (groups["rows"], figures["periods"] or []))
    for row in rows:
        for value in row:
            if isinstance(value, int | float):
                yield float(value)
            elif isinstance(value, str):
                yield from (float(number) for number in re.findall(r"\d+(?:\.\d+)?", value))


def _numbers_in(value: Any) -> Iterable[float]:
    """All numbers in the figures of a profile, also those in its sentences."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _numbers_in(one)
    elif isinstance(value, str):
        yield from (float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", value))
    elif isinstance(value, int | float):
        yield float(value)
        yield float(value) * 100  # a share in percent


def _rounded(row: list[Any]) -> list[Any]:
    return [round(value, 2) if isinstance(value, float) and abs(value) >= 1 else value for value in row]
