"""Styles, scripts and icons go out compressed; pages do not."""

from __future__ import annotations

import gzip

from flask.testing import FlaskClient

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def test_static_texts_are_gzipped_for_those_who_take_it(client: FlaskClient) -> None:
    plain = client.get("/static/legwork.css", buffered=True)
    small = client.get("/static/legwork.css", headers=GZIP, buffered=True)
    assert "Content-Encoding" not in plain.headers and small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data
    assert small.content_length == len(small.data) < len(plain.data) / 3
    assert plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"


def test_a_kept_copy_is_still_good(client: FlaskClient) -> None:
    tag = client.get("/static/icons.svg", headers=GZIP, buffered=True).headers["ETag"]
    again = client.get("/static/icons.svg", headers=GZIP | {"If-None-Match": tag}, buffered=True)
    assert again.status_code == 304 and not again.data


def test_what_is_no_text_a_part_or_a_page_stays_as_it_is(client: FlaskClient) -> None:
    font = "/static/fonts/sans-latin.woff2"
    for path, headers in (
        (font, {}),
        ("/static/legwork.css", {"Range": "bytes=0-9"}),
        ("/", {}),
        ("/static/none.css", {}),
    ):
        assert "Content-Encoding" not in client.get(path, headers=GZIP | headers, buffered=True).headers, path
