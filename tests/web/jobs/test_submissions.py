"""A form, posted: what starts a job, what comes back with errors, and that nothing is lost on the way."""

from __future__ import annotations

import html
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from jobs.engine.files import lookup
from jobs.engine.kinds.definition import Kind
from jobs.engine.queue import lists, queries
from tests.web.factories import again
from webapp.http.guards import LOCAL_OWNER

TABLE = "name,stars\nkettle,5\nlamp,2\n"
ADDRESS = "/kinds/questions"


@pytest.fixture
def token(client: FlaskClient) -> str:
    return hidden(client.get(ADDRESS).text, "csrf_token")


@pytest.fixture
def send(client: FlaskClient, token: str) -> Any:
    def post(*uploads: tuple[str, str, str], kind: str = "questions", **fields: Any) -> TestResponse:
        given = {"csrf_token": token, "_key": "one page", "word": "kettle", "side": "left", "sure": "0", **fields}
        data = MultiDict(given)
        for field, name, content in uploads:
            data.add(field, (io.BytesIO(content.encode()), name))
        return client.post(f"/kinds/{kind}", data=data, content_type="multipart/form-data")

    return post


def hidden(page: str, name: str) -> str:
    found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, f"no hidden field {name}"
    return html.unescape(found[1])


def job_of(answer: TestResponse) -> Any:
    assert answer.status_code == 303, answer.text[-3000:]
    return queries.job(answer.location.rsplit("/", 1)[1], LOCAL_OWNER)


def count() -> int:
    return len(lists.list_jobs(LOCAL_OWNER, limit=200).rows)


def test_a_form_is_validated_once(send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    check = Kind.check

    def counted(self: Kind, *arguments: Any) -> Any:
        checked.append(self.name)
        return check(self, *arguments)

    monkeypatch.setattr(Kind, "check", counted)
    job_of(send(_mail="a@example.org"))
    assert checked == ["questions"]


def test_a_whole_form_starts_a_job(send: Any) -> None:
    job = job_of(send(story="a\r\nb", whole="8", part="", colour="ochre", size="2", tools=["saw"], point='{"x": 3}'))
    assert job.state == "queued" and job.label == "kettle" and job.sample is None
    assert job.params["story"] == "a\nb"
    assert (job.params["whole"], job.params["part"], job.params["size"], job.params["tools"]) == (8, None, 2, ["saw"])
    assert job.params["point"] == {"x": 3, "y": 0} and job.params["sure"] is False


def test_a_press_too_many_is_the_same_job_and_other_words_are_another(send: Any) -> None:
    first, second = job_of(send(_key="k1")), job_of(send(_key="k1"))
    assert first.id == second.id
    assert job_of(send(_key="k1", word="lamp")).id != first.id
    assert job_of(send(_key="k1", sample="3")).id != first.id
    assert job_of(send(_key="k2")).id != first.id


def test_a_try_takes_the_first_items_only(send: Any) -> None:
    assert job_of(send(_key="try", sample="3")).sample == 3
    assert job_of(send(_key="no try", sample="-1")).sample is None


def test_errors_come_back_at_their_fields_and_nothing_is_lost(send: Any) -> None:
    before = count()
    answer = send(
        ("table", "mine.csv", TABLE), word="", whole="lots", story="My <b>story</b>", anything="{", tools=["saw"]
    )
    page = answer.text
    assert answer.status_code == 422
    assert "Not started: 3 errors to correct" in page
    assert '<a href="#f-whole">A whole number: “lots” is not a whole number.' in page
    assert 'id="f-whole-error"' in page and 'aria-describedby="f-whole-error f-whole-help"' in page
    assert 'value="lots"' in page and "My &lt;b&gt;story&lt;/b&gt;</textarea>" in page
    assert 'value="saw" checked' in page
    assert "mine.csv" in page and "2 rows, 2 columns" in page
    assert "<title>Error: Questions" in page
    assert count() == before
    job = job_of(send(table=hidden(page, "table"), _key=hidden(page, "_key")))
    assert lookup.file(job.params["table"], LOCAL_OWNER).name == "mine.csv"


def test_what_the_kind_itself_finds_wrong_stands_at_the_field(send: Any) -> None:
    answer = send(word="nothing", whole="101")
    assert answer.status_code == 422
    assert "A whole number: " in answer.text
    page = send(word="nothing").text
    assert "A word: “nothing” is no word. Take another." in page


def test_a_table_can_be_looked_at_before_anything_starts(send: Any) -> None:
    before = count()
    answer = send(("table", "mine.csv", TABLE), upload="table", word="")
    assert answer.status_code == 200
    assert 'data-insert="{stars}"' in answer.text
    assert "to correct" not in answer.text
    assert count() == before


def test_an_upload_goes_before_an_earlier_one_and_that_before_the_chosen_one(send: Any) -> None:
    page = send(("table", "first.csv", TABLE), upload="table").text
    first = hidden(page, "table")
    second = hidden(send(("table", "second.csv", TABLE), upload="table", table=first).text, "table")
    assert second != first
    assert hidden(send(upload="table", table=second, **{"table.earlier": first}).text, "table") == first
    assert job_of(send(_key="drop", table=second, **{"table.drop": second})).params["table"] is None


def test_several_files_are_kept_added_to_and_left_out(send: Any) -> None:
    page = send(("papers", "a.txt", "a"), ("papers", "b.txt", "b"), upload="papers").text
    a, b = re.findall(r'type="hidden" name="papers" value="([^"]+)"', page)
    job = job_of(send(("papers", "c.txt", "c"), papers=[a, b], _key="three", **{"papers.drop": a}))
    assert [lookup.file(ref, LOCAL_OWNER).name for ref in job.params["papers"]] == ["b.txt", "c.txt"]


def test_an_empty_upload_is_said_so(send: Any) -> None:
    answer = send(("table", "empty.csv", ""))
    assert answer.status_code == 422
    assert "Table: The file is empty." in answer.text


@pytest.mark.parametrize(
    "ref", ["sample:../../etc/passwd", "sample:none.csv", "01a20a1b-34da-72c9-8e9a-c189b7d6b90f", "x"]
)
def test_a_file_that_is_not_there_is_an_error_and_unchosen(send: Any, ref: str) -> None:
    answer = send(table=ref)
    assert answer.status_code == 422
    assert 'href="#f-table"' in answer.text


def test_a_name_of_a_file_is_only_ever_text(send: Any) -> None:
    page = send(("table", '"><img src=x>\u202egnp.csv', TABLE), upload="table").text
    assert "<img" not in page
    assert "\u202e" not in page


def test_a_job_can_start_later_by_the_viewers_clock(send: Any) -> None:
    later = (datetime.now(UTC) + timedelta(days=40)).replace(month=7, day=1, hour=6, minute=0, second=0, microsecond=0)
    later = later if later > datetime.now(UTC) else later.replace(year=later.year + 1)
    job = job_of(send(_key="late", _when="later", _run_at=f"{later:%Y-%m-%dT%H:%M}", _zone="Europe/Berlin"))
    assert job.run_at == later - timedelta(hours=2)
    assert job_of(send(_key="now", _when="now", _run_at=f"{later:%Y-%m-%dT%H:%M}")).run_at is None


@pytest.mark.parametrize("typed", ["2001-01-01T00:00", "soon", "2026-13-01T00:00", "9999-12-31T23:59"])
def test_a_time_that_cannot_be_is_said_so(send: Any, typed: str) -> None:
    answer = send(_when="later", _run_at=typed)
    assert answer.status_code == 422
    assert "to correct" in answer.text


def test_a_time_that_the_clocks_jump_over_is_after_the_jump(send: Any) -> None:
    """There is no 02:30 in Berlin on the last Sunday of March, nor in Sydney on the first one of October."""
    now, holes = datetime.now(UTC), []
    for year in (now.year, now.year + 1):
        march = next(day for day in (date(year, 3, day) for day in range(31, 24, -1)) if day.weekday() == 6)
        october = next(day for day in (date(year, 10, day) for day in range(1, 8)) if day.weekday() == 6)
        holes += [(march, "Europe/Berlin", 1), (october, "Australia/Sydney", 10)]
    day, zone, hours = next(hole for hole in sorted(holes) if hole[0] > now.date() + timedelta(days=1))
    job = job_of(send(_key="hole", _when="later", _run_at=f"{day}T02:30", _zone=zone))
    assert job.run_at == datetime(day.year, day.month, day.day, 2, 30, tzinfo=UTC) - timedelta(hours=hours)


def test_pasted_json_fills_the_form(send: Any) -> None:
    answer = send(json="1", _pasted='{"word": "from json", "side": "right", "whole": 3, "gone": true}')
    assert answer.status_code == 200
    assert 'value="from json"' in answer.text and "gone" in answer.text
    wrong = send(json="1", _pasted="{oops", word="typed before")
    assert wrong.status_code == 422
    assert "{oops" in wrong.text and 'value="typed before"' in wrong.text


def test_the_form_shows_itself_as_json_and_curl_without_secrets(send: Any) -> None:
    page = html.unescape(send(_key="x", upload="table", word="ü'quote", **{"anything": '{"a": 1}'}).text)
    assert '"word": "ü\'quote"' in page
    assert "/api/v1/kinds/questions/jobs" in page


def test_a_secret_is_not_shown_again(send: Any, client: FlaskClient, token: str) -> None:
    given = {"csrf_token": token, "word": "w", "side": "left", "key": "hunter2", "whole": "no"}
    answer = client.post(ADDRESS, data=given)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


def test_without_its_token_a_form_does_nothing(client: FlaskClient) -> None:
    before = count()
    assert client.post(ADDRESS, data={"word": "kettle", "side": "left"}).status_code == 400
    assert count() == before


def test_a_job_remembers_the_one_it_repeats(send: Any) -> None:
    first = job_of(send(_key="parent"))
    assert again(job_of(send(_key="child", _parent=str(first.id)))).parent == first.id


@pytest.mark.parametrize("parent", ["no id", "01a20a1b-34da-72c9-8e9a-c189b7d6b90f"])
def test_a_parent_that_is_none_is_left_out(send: Any, parent: str) -> None:
    assert job_of(send(_key=f"child of {parent}", _parent=parent)).parent is None


def test_a_kind_that_cannot_run_starts_nothing(send: Any) -> None:
    before = count()
    assert send(kind="broken").status_code in (409, 503)
    assert count() == before


def test_a_check_says_what_would_be_started_and_starts_nothing(send: Any) -> None:
    before = count()
    fine = send(
        check="1", table="sample:reviews.csv", pattern="{product}!", hosts="a.example", parting=["title", "stars"]
    )
    assert fine.status_code == 200 and count() == before
    assert "1,234 answers" in fine.text and "waits for a worker" in fine.text
    assert "<b>Row 1</b> Cup warmer!" in fine.text
    assert "&#34;hosts&#34;: [" in fine.text and "&#34;title&#34;: &#34;stars&#34;" in fine.text
    wrong = send(check="1", whole="lots", pattern="{prodct}", table="sample:reviews.csv")
    assert wrong.status_code == 200 and count() == before
    assert "is not a whole number" in wrong.text and "<b>Row 1</b>" not in wrong.text


def test_the_columns_of_the_table_are_offered_and_a_strange_one_is_kept(send: Any) -> None:
    page = send(check="1", table="sample:reviews.csv", column="weight").text
    offered = re.search(r'<select id="f-column".*?</select>', page, re.DOTALL)
    assert offered and re.findall(r'<option value="([^"]*)"', offered[0])[1:4] == ["id", "product", "stars"]
    assert '<option value="weight" selected>weight (not in this table)' in offered[0]
    assert "200 MB" in page


def test_the_line_of_advanced_fields_leaves_out_those_that_do_not_count(client: FlaskClient) -> None:
    page = client.get("/kinds/generate_texts").text
    line = page.split("Advanced", 1)[1].split("</summary>", 1)[0]
    assert "longest answer 256" in line
    assert "batch" not in line  # a question that only comes with “within 24 hours”
