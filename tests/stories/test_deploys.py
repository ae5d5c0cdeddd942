"""Everything ends at once, politely or not, and a second start on the same data goes on."""

from __future__ import annotations

import hashlib

from tests.fake_provider import FakeProvider
from tests.stories.app_process import Start
from tests.stories.site_client import Site, table

ROWS = 40


def paid(provider: FakeProvider, prompt: str) -> dict[str, int]:
    return {text.split()[1]: count for text, count in provider.answered().items() if text.startswith(prompt)}


def test_what_succeeded_outlives_the_end_of_everything(
    start_app: Start, with_provider: dict[str, str], provider: FakeProvider
) -> None:
    provider.script()
    first = start_app(**with_provider)
    site = Site(first.url)
    upload = site.upload("words.csv", table(ROWS))
    keepsake = site.submit("keepsake", bytes=300_000)
    job = site.submit("generate_texts", source=upload, prompt="outlive {word}", concurrency=2)
    kept, ended = site.ended(keepsake), site.ended(job)
    first.kill_everything()

    again = Site(start_app(data_dir=first.data_dir, **with_provider).url)
    assert {one["id"]: one["state"] for one in again.jobs()} == {job: "succeeded", keepsake: "succeeded"}
    assert again.job(job)["result"] == ended["result"]
    assert {item["input"]["word"] for item in again.items(job, "done")} == set(paid(provider, "outlive"))
    assert again.get(f"/api/v1/files/{upload}").body == table(ROWS)
    (file,) = again.job(keepsake)["files"]
    assert kept["files"] == [file]
    data = again.get(file["url"]).body
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert kept["result"]["sha256"] == file["sha256"]
    assert max(paid(provider, "outlive").values()) == 1
