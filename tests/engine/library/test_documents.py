"""The library: passages, indexes built beside the live one, and search by meaning and by words."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from jobs.engine import library
from jobs.engine.db import postgres
from jobs.engine.errors import JobFailed, NotFound
from jobs.engine.library import hybrid_search, indexing, prepared
from jobs.engine.library.chunking import chunks
from jobs.engine.llm import embeddings

OWNER = "local"


def index(collection: str, owner: str = OWNER, live: bool = True, model: str = "") -> int:
    """An index over all documents of a collection, by the engine's own steps."""
    embedder = embeddings.embedder(model)
    number = indexing.begin(owner, collection, embedder.model, 100, 10, uuid4())
    for one in library.each(owner, collection):
        whole = library.document(one.id, owner, with_text=True)
        found = prepared.passages(whole, 100, 10)
        indexing.put(number, one.id, prepared.digest(whole), found, embedder.embed([piece.embedded for piece in found]))
    if live:
        indexing.go_live(indexing.unfinished(number), embedder.dimension)
    return number


def test_a_text_is_cut_at_headings_and_paragraphs() -> None:
    text = "Before.\n\n# One\n\nFirst.\n\nSecond.\n\n## Two\n\n```\n# no heading\n```\n\n# Three #\nLast."
    found = [(piece.headings, piece.text) for piece in chunks(text, 50, 5)]
    assert found == [
        ("", "Before."),
        ("One", "First.\n\nSecond."),
        ("One > Two", "```\n# no heading\n```"),
        ("Three", "Last."),
    ]


@pytest.mark.parametrize("overlap", [0, 3])
def test_no_word_is_lost_and_no_passage_is_too_long(overlap: int) -> None:
    text = "\n\n".join(" ".join(f"w{part}.{word}" for word in range(37)) for part in range(9)) + " " + "x" * 5_000
    found = [piece.text.split() for piece in chunks(text, 20, overlap)]
    assert max(map(len, found)) <= 20
    seen = [word for words in found for word in words]
    assert [word for word in dict.fromkeys(seen) if word[0] == "w"] == [word for word in text.split() if word[0] == "w"]
    assert "".join(word for word in seen if word[0] == "x").count("x") >= 5_000
    if not overlap:
        assert len(seen) == len(set(seen))


def test_the_overlap_begins_the_next_passage() -> None:
    first, second = [piece.text for piece in chunks("a b c d e f g h", 5, 2)]
    assert (first, second) == ("a b c d e", "d e f g h")


def test_a_book_without_a_paragraph_is_cut_too() -> None:
    assert sum(1 for _ in chunks("word " * 300_000, 100, 10)) == 3_334


def test_nothing_gives_nothing() -> None:
    assert list(chunks("", 10, 2)) == list(chunks("\n \f\n# Only a heading\n", 10, 2)) == []


def test_documents_belong_to_their_owner(environment: Callable[..., None]) -> None:
    mine = library.add_text(OWNER, "a", "Mine", "The kettle is red.")
    library.add_text("other", "a", "Theirs", "The kettle is red.")
    index("a")
    index("a", owner="other")
    with pytest.raises(NotFound):
        library.document(mine, "other")
    with pytest.raises(NotFound):
        library.document("no id", OWNER)
    assert [one.title for one in library.list_documents(OWNER).rows] == ["Mine"]
    assert {one.title for one in library.search(OWNER, "red kettle")} == {"Mine"}
    assert library.passages(OWNER, mine)[0].text == "The kettle is red."


def test_a_list_goes_on_after_its_page(environment: Callable[..., None]) -> None:
    for number in range(5):
        library.add_text(OWNER, "a", f"T{number} 100%", str(number))
    first = library.list_documents(OWNER, limit=2)
    second = library.list_documents(OWNER, limit=2, after=first.next)
    assert [one.title[:2] for one in first.rows + second.rows] == ["T4", "T3", "T2", "T1"]
    assert [one.title for one in library.list_documents(OWNER, q="t3 100%").rows] == ["T3 100%"]
    assert library.list_documents(OWNER, q="_3").rows == []


def test_the_same_again_is_a_duplicate_and_the_same_source_is_not(environment: Callable[..., None]) -> None:
    def one(source: str, sha256: str = "s") -> library.Document:
        return library.Document(collection="a", title="T", name="t.txt", text="x", sha256=sha256, source=source)

    first = library.add(OWNER, one("job:1"), duplicates=False)
    assert library.add(OWNER, one("job:1"), duplicates=False) == first
    with pytest.raises(library.Duplicate, match="the same as “t"):
        library.add(OWNER, one("job:2"), duplicates=False)
    assert library.add(OWNER, one("job:2")) != first
    assert library.count(OWNER, "a") == 2


def test_an_index_answers_only_once_it_is_live(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "a", "Old", "The old text about kettles.")
    first = index("a")
    library.add_text(OWNER, "a", "New", "A new text about kettles.")
    second = index("a", live=False)
    assert {one.title for one in library.search(OWNER, "kettles")} == {"Old"}
    assert library.collections(OWNER)[0].changed == 1
    indexing.go_live(indexing.unfinished(second), 384)
    assert {one.title for one in library.search(OWNER, "kettles")} == {"Old", "New"}
    with pytest.raises(JobFailed, match="has deleted"):
        indexing.unfinished(first)
    assert (library.collections(OWNER)[0].changed, library.collections(OWNER)[0].chunks) == (0, 2)


def test_what_an_earlier_job_left_is_cleared_away(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "a", "T", "Text.")
    left = index("a", live=False)
    index("a")
    with pytest.raises(JobFailed):
        indexing.unfinished(left)
    with postgres.session() as session:
        assert session.scalar(text("select count(*) from chunks")) == 1


def test_a_deleted_or_moved_document_is_not_found_any_more(environment: Callable[..., None]) -> None:
    gone = library.add_text(OWNER, "a", "Gone", "The green kettle.")
    moved = library.add_text(OWNER, "a", "Moved", "The green kettle too.")
    index("a")
    library.delete(gone, OWNER)
    with postgres.session() as session:
        session.execute(text("update documents set collection = 'b' where id = :id"), {"id": moved})
    assert library.search(OWNER, "green kettle") == []


def test_a_large_index_has_its_own_hnsw(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "HNSW_FROM", 3)
    for number in range(4):
        library.add_text(OWNER, "a", f"T{number}", f"Text number {number}.")
    first = index("a")
    with postgres.session() as session:
        session.execute(text("set local enable_seqscan = off"))
        (generation,) = library.live(OWNER)
        vector = str(embeddings.embedder().embed(["x"])[0])
        plan = session.execute(
            text("explain " + hybrid_search._sql(hybrid_search._stock(generation), [], True)),
            {"owner": OWNER, "collection": "a", "vector": vector, "many": 3, "whole": ""},
        )
        assert any(f"chunks_near_{first}" in row[0] for row in plan)
    second = index("a")
    names = text("select indexname from pg_indexes where indexname like 'chunks_near_%'")
    with postgres.session() as session:
        assert session.scalars(names).all() == [f"chunks_near_{second}"]
    assert len(library.search(OWNER, "number 3")) == 4


def test_words_alone_answer_where_the_model_is_away(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "a", "T", "Error XJ-4412 means a full disk.")
    library.add_text(OWNER, "a", "U", "Something else.")
    index("a")
    with postgres.session() as session:
        session.execute(text("update generations set model = 'of a provider that is gone'"))
    assert [one.title for one in library.search(OWNER, "what is XJ-4412?")] == ["T"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "q", ["", "   ", "\x00", "'; drop table chunks", "a:* & !b | (", "%_\\", "x" * 5_000, "🦆 ١٢٣"]
)
def test_any_question_may_be_asked(environment: Callable[..., None], q: str) -> None:
    library.add_text(OWNER, "a", "T", "The kettle.")
    index("a")
    assert len(library.search(OWNER, q)) <= 1


# Facts, and a question about each that shares few words with it. The lures have the question's words and another meaning.
FACTS = {
    "Returns": (
        "Goods can be sent back within thirty days of delivery.",
        "How many days do I have to return an order?",
    ),
    "Opening": ("The shop is closed on Sundays and public holidays.", "Are you open at the weekend?"),
    "Password": ("Forgotten credentials are reset by a link in a mail.", "I cannot log in any more"),
    "Parking": ("Vehicles may be left in the yard behind the building.", "Where can I put my car?"),
    "Fire": (
        "Leave by the nearest staircase and do not use the lift.",
        "How do we get out of the house when there is smoke?",
    ),
    "Leave": ("Employees get twenty-eight days off in a year.", "How much holiday do I have?"),
    "Salary": ("Wages are transferred on the last working day of the month.", "When do I get paid?"),
    "Illness": ("Tell your manager before nine if you are unwell.", "I have a fever and stay at home"),
    "Printer": ("Toner cartridges are kept in the cupboard next to the kitchen.", "Where is new ink for the copier?"),
    "Dog": ("Animals are welcome as long as they are on a leash.", "May I bring my pet?"),
    "Visitors": ("Guests sign the book at the front desk.", "Where do people who visit us register?"),
    "Backup": ("Copies of all data are made every night and kept for a month.", "Can a lost file be restored?"),
    "Travel": ("Train tickets are refunded when receipts are handed in.", "Who pays for my railway journey?"),
    "Coffee": ("The machine must be cleaned with vinegar once a week.", "The espresso tastes bitter"),
    "Part": ("Spare part QX-77/b fits the model of 2019 only.", "QX-77/b"),
    "Code": ("Error E1043 means that the water tank is empty.", "the display shows E1043"),
}
LURES = [
    "I cannot get rid of this song: my car, my pet, my holiday.",
    "When do we see the people who pay for the display?",
]


@pytest.mark.slow
def test_questions_in_other_words_find_their_answer(environment: Callable[..., None]) -> None:
    for title, (fact, _) in FACTS.items():
        library.add_text(OWNER, "a", title, fact)
    for lure in LURES:
        library.add_text(OWNER, "a", "Lure", lure)
    index("a")
    first = {title: library.search(OWNER, question, "a")[0].title for title, (_, question) in FACTS.items()}
    wrong = {title: found for title, found in first.items() if found != title}
    assert len(wrong) <= 3, [
        (t, [(p.title, p.score) for p in library.search(OWNER, FACTS[t][1], "a")[:3]]) for t in wrong
    ]
    assert not {"Part", "Code"} & set(wrong)


def test_documents_like_one_are_found_by_its_vectors(environment: Callable[..., None]) -> None:
    texts = {
        "Rye": "# Dough\n\nRye bread is made with sourdough.\n\n# Baking\n\nThe loaf bakes for an hour in a hot oven.",
        "Wheat": "# Dough\n\nWheat bread is kneaded for ten minutes.\n\n# Baking\n\nBake the loaf until its crust is brown.",
        "Rolls": "# Dough\n\nRolls are shaped from yeast dough and baked in the oven.",
        "Invoice": "# Payment\n\nThe invoice is due within thirty days of the contract's date.",
        "Mars": "# Orbit\n\nThe planet turns around the sun in 687 days.",
    }
    ids = {title: library.add_text(OWNER, "a", title, text) for title, text in texts.items()}
    assert library.similar_documents(OWNER, ids["Rye"]) == []  # there is no index yet
    library.add_text("other", "a", "Theirs", texts["Rye"])
    library.add_text(OWNER, "b", "Elsewhere", texts["Rye"])
    for collection, owner in (("a", OWNER), ("a", "other"), ("b", OWNER)):
        index(collection, owner=owner)
    found = library.similar_documents(OWNER, ids["Rye"])
    assert {one.title for one in found[:2]} == {"Wheat", "Rolls"}
    assert {one.title for one in found} == {"Wheat", "Rolls", "Invoice", "Mars"}
    assert 1 >= found[0].score >= found[1].score > found[2].score + 0.1
    assert found[0].text in texts[found[0].title]
    assert len(library.similar_documents(OWNER, ids["Rye"], 1)) == 1
    with pytest.raises(NotFound):
        library.similar_documents("other", ids["Rye"])
    library.delete(ids["Wheat"], OWNER)
    assert library.similar_documents(OWNER, ids["Rye"])[0].title == "Rolls"


def test_ids_are_uuids(environment: Callable[..., None]) -> None:
    assert isinstance(library.add_text(OWNER, "a", "T", "x"), UUID)
