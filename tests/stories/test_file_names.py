"""Names that are not Latin-1, over the wire: every download of a file and of what a job made of it."""

from __future__ import annotations

import io
import zipfile
from urllib.parse import unquote

import pytest

from tests.stories.site_client import Site

NAMES = {  # what is uploaded: what the person's computer calls the download
    "plain.csv": "plain.csv",
    "Umsatz – März.csv": "Umsatz – März.csv",
    "東京.csv": "東京.csv",
    "“x” 100 €.csv": "“x” 100 €.csv",
    "👩\u200d👧 Ünï.csv": "👩\u200d👧 Ünï.csv",
    "50%20off.csv": "50%20off.csv",
    "a;b=c, 'd'.csv": "a;b=c, 'd'.csv",
    "\u202efdp.csv": "_fdp.csv",
    "con.csv": "_con.csv",
    "東" * 84 + ".csv": "東" * 65 + ".csv",
    "n" * 251 + ".csv": "n" * 196 + ".csv",
}


def name_in(header: str | None) -> str:
    """The name that a browser takes: `filename*`, or else `filename`."""
    assert header and header.isascii()
    kind, _, rest = header.partition("; ")
    assert kind in ("attachment", "inline")
    parts = dict(part.split("=", 1) for part in rest.split("; "))
    if extended := parts.get("filename*"):
        assert extended.startswith("UTF-8''")
        return unquote(extended.removeprefix("UTF-8''"))
    return parts["filename"].strip('"')


@pytest.mark.parametrize("name", NAMES)
def test_a_file_comes_back_with_its_name(site: Site, name: str) -> None:
    id = site.upload(name, b"a,b\n1,2\n")
    for path in (f"/api/v1/files/{id}", f"/files/{id}"):
        answer = site.get(path)
        assert name_in(answer.headers["Content-Disposition"]) == NAMES[name] and answer.body == b"a,b\n1,2\n"
    assert site.get(f"/files/{id}/preview").status == 200


def test_a_picture_is_shown_whatever_its_name(site: Site) -> None:
    id = site.upload("猫.png", b"\x89PNG\r\n\x1a\n" + bytes(64))
    assert name_in(site.get(f"/files/{id}/raw").headers["Content-Disposition"]) == "猫.png"


def test_all_downloads_of_a_job_whose_files_have_such_names(site: Site) -> None:
    names = ["東京.csv", "東京.csv", "Umsatz – März.csv"]
    job = site.ended(site.submit("convert_files", files=[site.upload(name, b"a\n1\n") for name in names], to="json"))
    made = {one["name"]: one["id"] for one in job["files"]}
    wanted = {"東京.json", "東京 (2).json", "Umsatz – März.json"}
    assert made.keys() == {*wanted, "json files.zip"}
    for name, id in made.items():
        assert name_in(site.get(f"/files/{id}").headers["Content-Disposition"]) == name
    for format in ("csv", "jsonl", "xlsx", "parquet"):
        assert name_in(site.get(f"/jobs/{job['id']}/items.{format}").headers["Content-Disposition"])
    site.get(f"/jobs/{job['id']}/log.txt")
    bundle = site.get(f"/jobs/{job['id']}/all.zip")
    assert name_in(bundle.headers["Content-Disposition"]).endswith(".zip")
    packed = [bundle.body, site.get(f"/files/{made['json files.zip']}").body]
    for archive in map(zipfile.ZipFile, map(io.BytesIO, packed)):
        assert wanted <= set(archive.namelist())
        assert all(one.flag_bits & 0x800 for one in archive.infolist() if not one.filename.isascii())
