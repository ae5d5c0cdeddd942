"""An S3-compatible bucket. STORAGE_URL=s3://bucket/prefix?endpoint=https://…&region=…

AWS itself needs no endpoint. boto3 finds the credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

from jobs.engine.errors import LegworkError, SettingsError, Transient

PART = 8 << 20  # bytes; S3 allows at most 10,000 parts, each of at least 5 MiB
LEAST_PART = 5 << 20
MISSING = ("404", "NoSuchKey", "NoSuchUpload", "NotFound")
BUSY = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "500", "503")


@dataclass(frozen=True)
class UploadedPart:
    """A part of a multipart upload. Numbers begin with 1."""

    number: int
    bytes: int
    etag: str


@dataclass
class Bucket:
    """A prefix in a bucket. The client is created at first use."""

    name: str
    prefix: str
    endpoint: str | None
    region: str | None

    @classmethod
    def of(cls, url: str) -> Bucket:
        parts = urlsplit(url)
        if not parts.netloc:
            raise SettingsError("STORAGE_URL names no bucket; write it as s3://bucket/prefix.")
        query = parse_qs(parts.query)
        prefix = parts.path.strip("/")
        return cls(
            parts.netloc, prefix and f"{prefix}/", query.get("endpoint", [None])[0], query.get("region", [None])[0]
        )

    def upload(self, key: str, read: Callable[[int], bytes]) -> None:
        """Upload until `read` returns no bytes. If it fails, there is no object."""
        with self._translated_errors():
            first = _filled(read)
            if len(first) < PART:
                self._client.put_object(**self._at(key), Body=first)
            else:
                self._upload_parts(key, first, read)

    def download(self, key: str, first: int | None = None) -> BinaryIO | None:
        """The object's bytes, or only the `first` ones; None if there is no such object."""
        options = {"Range": f"bytes=0-{max(first, 1) - 1}"} if first is not None else {}
        try:
            with self._translated_errors():
                return cast(BinaryIO, self._client.get_object(**self._at(key), **options)["Body"])
        except _Missing:
            return None
        except _Empty:
            return self.download(key)

    def delete(self, key: str) -> None:
        with self._translated_errors():
            self._client.delete_object(**self._at(key))

    def abort_uploads(self, older_than: float) -> int:
        """Abort multipart uploads started more than this many seconds ago; returns their number."""
        before = datetime.now(UTC) - timedelta(seconds=older_than)
        with self._translated_errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=self.prefix)
            stale = [upload for page in pages for upload in page.get("Uploads", []) if upload["Initiated"] <= before]
            for upload in stale:
                self._client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(stale)

    def size(self, key: str) -> int | None:
        """The object's bytes; None if there is none."""
        try:
            with self._translated_errors():
                return int(self._client.head_object(**self._at(key))["ContentLength"])
        except _Missing:
            return None

    def put(self, key: str, body: bytes) -> None:
        with self._translated_errors():
            self._client.put_object(**self._at(key), Body=body)

    def begin_parts(self, key: str) -> str:
        """Begin a multipart upload. Returns its id."""
        with self._translated_errors():
            return str(self._client.create_multipart_upload(**self._at(key))["UploadId"])

    def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> UploadedPart:
        with self._translated_errors():
            answer = self._client.upload_part(**self._at(key), UploadId=upload_id, PartNumber=number, Body=body)
        return UploadedPart(number, len(body), answer["ETag"])

    def list_parts(self, key: str, upload_id: str) -> list[UploadedPart] | None:
        """What is stored of a multipart upload; None if it has ended, or there was none."""
        try:
            with self._translated_errors():
                pages = self._client.get_paginator("list_parts").paginate(**self._at(key), UploadId=upload_id)
                parts = [part for page in pages for part in page.get("Parts", [])]
        except _Missing:
            return None
        return [UploadedPart(part["PartNumber"], part["Size"], part["ETag"]) for part in parts]

    def complete_parts(self, key: str, upload_id: str, parts: list[UploadedPart]) -> None:
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with self._translated_errors():
            self._client.complete_multipart_upload(
                **self._at(key), UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    def abort_parts(self, key: str, upload_id: str) -> None:
        with suppress(_Missing), self._translated_errors():
            self._client.abort_multipart_upload(**self._at(key), UploadId=upload_id)

    def _upload_parts(self, key: str, first: bytes, read: Callable[[int], bytes]) -> None:
        upload_id = self.begin_parts(key)
        try:
            parts: list[UploadedPart] = []
            body = first
            while body:
                parts.append(self.upload_part(key, upload_id, len(parts) + 1, body))
                body = _filled(read)
            self.complete_parts(key, upload_id, parts)
        except BaseException:
            self.abort_parts(key, upload_id)
            raise

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": self.prefix + key}

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=3,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 4},
            request_checksum_calculation="when_required",  # some stores do not support the newer checksums
            response_checksum_validation="when_required",
        )
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=self.region, config=config)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise self._named(error.response.get("Error", {}).get("Code", "")) from error
        except BotoCoreError as error:
            raise _away() from error

    def _named(self, code: str) -> Exception:
        if code in MISSING:
            return _Missing()
        if code in ("InvalidRange", "416"):
            return _Empty()
        if code in BUSY:
            return _away()
        return LegworkError(
            f"The file store refused the request: {code or 'no reason given'}. Check STORAGE_URL and its credentials.",
            reason="storage_refused",
        )


class _Missing(Exception):
    """No such object."""


class _Empty(Exception):
    """A range of an empty object was requested."""


def _filled(read: Callable[[int], bytes]) -> bytes:
    """One part's bytes, or fewer at the end of the stream."""
    body = bytearray()
    while len(body) < PART and (chunk := read(PART - len(body))):
        body += chunk
    return bytes(body)


def _away() -> Transient:
    return Transient("The file store does not answer. Try again in a moment.", reason="storage_away")
