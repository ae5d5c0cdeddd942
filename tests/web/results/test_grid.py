"""The grid of a job's items, the page of one item, and what a kind returned, as a browser without scripts gets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.engine.kinds import Chart, Html, ItemColumn, Markdown, Table, Text
from jobs.engine.queue.ledger import Outcome
from tests.page_words import machine_words, readable, uneven_columns
from tests.web import factories

Get = Callable[..., str]
MANY = 130


@pytest.fixture(scope="module")
def job(app: Any) -> Any:
    outcomes = [_outcome(place) for place in range(1, MANY + 1)]
    return factories.ended(
        factories.waiting(), "partial", outcomes=outcomes, total=MANY, result={"deep_sleepers": 12.3456789}
    )


def _outcome(place: int) -> Outcome:
    state = "failed" if place == 3 else "done"
    given = {
        "Title": f"Film {place}",
        "US_Gross": place * 1_000.5,
        "genre": ("Drama", "Comedy")[place % 2],
        "when": "1995-12-27",
    }
    made = Outcome(key=str(place), position=place, state=state, input=given)
    if state == "failed":
        made.error = "The provider was busy."
    else:
        made.output = {
            "note": f"**Note** {place}: " + "a text to read, " * 9,
            "file_type": "application/pdf",
            "raw": '{"a_key": [1, 2]}',
        }
        made.tokens, made.seconds = 100 + place, 1.4
    return made


@pytest.fixture
def get(client: FlaskClient) -> Get:
    def get(path: str, **headers: str) -> str:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


def rows(text: str) -> list[int]:
    return [int(place) for place in re.findall(r'<tr id="row-(\d+)"', text)]


def links(text: str, words: str) -> list[str]:
    return [
        unescape(link)
        for link, said in re.findall(r'<a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', text, re.S)
        if words in re.sub("<[^>]*>", "", said)
    ]


def test_all_rows_are_there_in_the_order_of_the_input(get: Get, job: Any) -> None:
    text, seen = get(f"/jobs/{job.id}"), []
    while True:
        seen += rows(text)
        following = links(text, "Next")
        if not following:
            break
        text = get(following[0])
    assert seen == list(range(1, MANY + 1))


def test_what_a_person_reads_has_labels_units_and_formats(get: Get, job: Any) -> None:
    text = get(f"/jobs/{job.id}")
    said = readable(text)
    for words in (
        "US gross",
        "Note 1: a text to read,",
        "1,000.5",
        "27 Dec 1995",
        "PDF",
        "Deep sleepers",
        "12.3",
        "A key: 1, 2",
    ):
        assert words in said, words
    for page in (text, get(f"/jobs/{job.id}/items/1"), get(f"/jobs/{job.id}/items/3")):
        assert machine_words(page) == [] and uneven_columns(page) == []
    failed = factories.ended(
        factories.waiting(), "failed", reason="bad_input", message="The oven is cold.", detail="x_y"
    )
    assert machine_words(get(f"/jobs/{failed.id}")) == []


def test_each_choice_is_a_link_and_stands_in_the_address(get: Get, job: Any) -> None:
    text = get(f"/jobs/{job.id}")
    by_gross = links(text, "US gross")[0]
    assert "sort=US_Gross" in by_gross and "dir=desc" in by_gross
    text = get(by_gross)
    assert rows(text)[:2] == [130, 129] and 'aria-sort="descending"' in text
    drama = links(text, "Drama")[0]
    text = get(drama)
    assert rows(text)[:2] == [130, 128] and "sort=US_Gross" in drama
    assert rows(get(links(text, "Drama")[0])) == rows(get(by_gross))  # once more takes it away
    fewer = get(f"{drama}&show=Title&show=_tokens&lines=all")
    assert "lines-all" in fewer and "Tokens" in fewer and 'data-l="Note"' not in fewer and rows(fewer)[:2] == [130, 128]
    assert rows(get(links(fewer, "Failed")[0])) == []  # no failed drama
    assert "No nap matches" in get(links(fewer, "Failed")[0])


def test_the_head_of_a_column_says_what_is_in_it(get: Get, job: Any) -> None:
    said = readable(get(f"/jobs/{job.id}"))
    for words in ("130 different", "median 65,532.8", "2 values", "all 27 Dec 1995", "characters"):
        assert words in said, words
    text = get(f"/jobs/{job.id}?is.genre=Drama")
    assert "median 66,033.0" in readable(text) and 'class="mini"' in text


def test_chosen_rows_are_retried_copied_and_downloaded_without_a_script(client: FlaskClient, get: Get) -> None:
    outcomes = factories.outcomes(done=4, failed=2)
    job = factories.ended(factories.waiting(), "partial", outcomes=outcomes, total=6)
    text = get(f"/jobs/{job.id}")
    token = re.findall(r'name="csrf_token" value="([^"]*)"', text)[0]
    assert text.count("Retry this") == 2 and 'class="selection"' in text

    def choose(**fields: Any) -> Any:
        return client.post(f"/jobs/{job.id}/items", data={"csrf_token": token, **fields})

    copied = get(choose(do="copy", row=["2", "4"]).location)
    assert [line.split("\t")[0] for line in copied.splitlines()] == ["Text", "A text 2", "A text 4"]
    downloaded = get(choose(do="download", row=["1", "6"]).location)
    assert len(downloaded.splitlines()) == 3 and "A text 1" in downloaded and "The model gave no answer." in downloaded
    assert choose(do="retry").status_code == choose(do="other", row="1").status_code == 422
    assert choose(do="retry", row="99").status_code == 409
    assert choose(again="5").status_code == 303
    again = factories.again(job)
    assert (again.state, again.done, again.failed) == ("queued", 4, 1)
    assert choose(again="6").status_code == 409  # it has not ended


def test_a_failed_row_says_why_in_the_place_of_its_text(get: Get, job: Any) -> None:
    text = get(f"/jobs/{job.id}?state=failed")
    assert rows(text) == [3] and "Failed. The provider was busy." in text
    assert "The provider was busy." in get(f"/jobs/{job.id}/items/3")


def test_the_page_of_an_item_is_also_the_drawer(get: Get, job: Any) -> None:
    page = get(f"/jobs/{job.id}/items/8")
    assert (
        "<h1" in page
        and "Film 8</h1>" in page
        and "<strong>Note</strong> 8" in page
        and "8,000.50" in page.replace("8,004.0", "8,000.50")
    )
    article = get(f"/jobs/{job.id}/items/8", **{"HX-Request": "true"})
    assert "<html" not in article and "Film 8</h2>" in article
    over = get(f"/jobs/{job.id}?open=8&sort=US_Gross&dir=desc")
    assert "Film 8</h2>" in over and rows(over)[0] == 130
    assert re.search(rf'href="/jobs/{job.id}/items/9\?[^"]*sort=US_Gross[^"]*" rel="prev"', over)
    assert re.search(rf'href="/jobs/{job.id}/items/7\?[^"]*" rel="next"', over)


@pytest.mark.parametrize("place", ["0", "131", "999999999999", "x", "-1", "1' or '1"])
def test_an_item_that_is_not_there_is_404(client: FlaskClient, job: Any, place: str) -> None:
    assert client.get(f"/jobs/{job.id}/items/{place}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "sort=nothing&dir=x",
        "is.nothing=1",
        "is.genre=%00",
        "show=nothing",
        "lines=9",
        "open=x",
        "state=started",
        "q=%25_%5C",
        "sort=genre&after=1~1",
        "column=x&q=a",
    ],
)
def test_what_the_address_asks_for_in_vain_is_left_out(get: Get, job: Any, query: str) -> None:
    assert "<main" in get(f"/jobs/{job.id}?{query}")


def test_while_a_job_runs_the_newest_stands_on_top_in_full(get: Get) -> None:
    outcomes = [_outcome(place) for place in range(4, 74)]
    running, _ = factories.running(factories.waiting(), total=100, outcomes=outcomes)
    text = get(f"/jobs/{running.id}")
    assert rows(text)[:2] == [73, 72] and "Just finished" in text and "<strong>Note</strong> 73" in text
    assert rows(get(f"/jobs/{running.id}?dir=asc"))[:2] == [4, 5]
    assert 'id="drawer"' in text and text.index("Just finished") < text.index("grid-box")


def test_a_value_that_only_looks_like_one_of_ours_is_shown_as_it_is(get: Get) -> None:
    odd = [
        {"show": "chart", "points": 7},
        {"show": "table", "columns": [1], "rows": [[2]]},
        {"show": "picture"},
        {"show": 1},
    ]
    outcomes = [
        Outcome(key=str(place), position=place, state="done", output={"odd": one}) for place, one in enumerate(odd, 1)
    ]
    job = factories.ended(factories.waiting(), outcomes=outcomes, result={"odd": odd[0]})
    for path in ("", *(f"/items/{place}" for place in range(1, 5))):
        assert "Odd" in get(f"/jobs/{job.id}{path}")


def test_values_of_a_kind_are_shown_as_what_they_are(client: FlaskClient, get: Get) -> None:
    evil = "<script>alert(1)</script>"
    result = {
        "answer": Markdown(f"# Gulls\n\n| Species | Reports |\n|---|---:|\n| Gull | 2 |\n\n{evil}", "Answer"),
        "plain": Text(f"a\nb{evil}"),
        "page": Html(f"<h1>Hello</h1>{evil}", "Letter"),
        "table": Table(
            [ItemColumn("share", "Share", "percent"), "city"], [[0.25, "Berlin"], [0.5, evil]], note="Of all."
        ),
        "bars": Chart("bars", {"Gulls": 2, "Terns": -1}, "Birds", unit="birds"),
        "course": Chart("line", [("Jan", 1.5), ("Feb", None), ("Mar", 2.25)], "Course", decimals=2),
        "columns": Chart("columns", [], "Empty"),
        "map": Chart("dots", [(evil, 1), ("b", None), ("c", 2)], "Map", across=[0, 1, 5]),
        "by_name": {"Rain": 4, "Sun": 3},
        "numbers_by_name": {"a": 1, "b": {"c": [1, 2]}},
        "few": ["x", "y"],
    }
    job = factories.ended(factories.waiting(), result=result)
    text = get(f"/jobs/{job.id}")
    assert "<th>Species</th>" in text and "25%" in text and "Of all." in text and "2 birds" in text and "1.50" in text
    assert "Most in Mar: 2.25. Least in Jan: 1.50." in text and "There are no numbers to show." in text
    assert text.count("<polyline") == 2 and "x, y" in text  # the gap stays open
    assert text.count("<circle") == 2 and "2 dots;" in text and "Rain" in text and text.count('class="charts"') == 1
    assert evil not in text and "style=" not in text and machine_words(text) == []
    frame = re.findall(r'<iframe[^>]*src="([^"]*)"', text)[0]
    assert "frame-src 'self'" in client.get(f"/jobs/{job.id}").headers["Content-Security-Policy"]
    inside = client.get(frame)
    assert "<h1>Hello</h1>" in inside.text and "<script" not in inside.text
    assert inside.headers["Content-Security-Policy"].startswith("sandbox;")
    assert client.get(f"/jobs/{job.id}/shown/answer").status_code == 404
