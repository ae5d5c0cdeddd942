"""The tus protocol, as its clients see it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from webapp.http.guards import UPLOAD_TYPE

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = {**TUS, "Content-Type": UPLOAD_TYPE}


def begin(client: FlaskClient, length: int = 10, name: str = "reviews.csv", **more: Any) -> str:
    metadata = f"filetype {b64encode(b'text/csv').decode()},filename {b64encode(name.encode()).decode()}"
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata}
    answer = client.post("/api/v1/uploads", headers=headers | more.pop("headers", {}), **more)
    assert answer.status_code == 201, answer.text
    assert (answer.headers["Tus-Resumable"], answer.headers["Cache-Control"]) == ("1.0.0", "no-store")
    return answer.headers["Location"]


def test_a_server_says_what_it_can(client: FlaskClient) -> None:
    answer = client.options("/api/v1/uploads")
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == "200000000"
    assert "creation-with-upload" in answer.headers["Tus-Extension"]


def test_pieces_become_a_file_that_jobs_take(client: FlaskClient) -> None:
    place = begin(client, name="Tabelle “ä”.csv")
    first = client.patch(place, data=b"a,b\n1", headers={**PATCH, "Upload-Offset": "0"})
    assert (first.status_code, first.headers["Upload-Offset"], first.data) == (204, "5", b"")
    head = client.head(place, headers=TUS)
    assert (head.status_code, head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (200, "5", "10")
    assert head.headers["Upload-Expires"].endswith("GMT")
    assert client.get(place).json["file"] is None
    last = client.patch(place, data=b",2\n3,", headers={**PATCH, "Upload-Offset": "5"})
    assert last.headers["Upload-Offset"] == "10"
    file = client.get(place).json["file"]
    assert file["id"] == place.rpartition("/")[2]
    assert (file["name"], file["sha256"]) == ("Tabelle “ä”.csv", hashlib.sha256(b"a,b\n1,2\n3,").hexdigest())
    assert client.get(file["url"]).data == b"a,b\n1,2\n3,"
    assert client.head(place).headers["Upload-Offset"] == "10"
    assert client.delete(place).status_code == 404


def test_the_first_bytes_may_come_with_the_beginning(client: FlaskClient) -> None:
    place = begin(client, data=b"a,b\n1,2\n3,", headers={"Content-Type": UPLOAD_TYPE})
    assert client.get(place).json["file"]["bytes"] == 10


def test_an_upload_that_is_given_up_is_gone(client: FlaskClient) -> None:
    place = begin(client)
    assert client.delete(place, headers=TUS).status_code == 204
    assert client.head(place, headers=TUS).status_code == 404


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (422, {}),
        (422, {"Upload-Length": "x"}),
        (422, {"Upload-Length": "-1"}),
        (422, {"Upload-Length": "0"}),
        (413, {"Upload-Length": "99999999999"}),
        (422, {"Upload-Length": "9" * 30}),
        (422, {"Upload-Length": "3", "Upload-Metadata": "filename !"}),
        (412, {"Upload-Length": "3", "Tus-Resumable": "0.2"}),
        (201, {"Upload-Length": "3", "Upload-Metadata": ",,filename,"}),
    ],
)
def test_what_does_not_fit_is_refused_in_words(client: FlaskClient, status: int, headers: dict[str, str]) -> None:
    answer = client.post("/api/v1/uploads", headers=TUS | headers)
    assert answer.status_code == status, answer.text


def test_bytes_that_do_not_fit_are_refused(client: FlaskClient) -> None:
    place = begin(client)
    assert client.patch(place, data=b"x", headers={**PATCH, "Upload-Offset": "4"}).status_code == 409
    assert client.patch(place, data=b"x", headers={**TUS, "Upload-Offset": "0"}).status_code == 415
    assert client.patch(place, data=b"x", headers=PATCH).status_code == 422
    other = f"/api/v1/uploads/{uuid4()}"
    assert client.patch(other, data=b"x", headers={**PATCH, "Upload-Offset": "0"}).status_code == 404
    assert client.head(place).headers["Upload-Offset"] == "0"


def test_a_page_of_another_site_sends_nothing(client: FlaskClient) -> None:
    headers = {**TUS, "Upload-Length": "3", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/v1/uploads", headers=headers).status_code == 403
