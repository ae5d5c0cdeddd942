"""Measure the unpacked size of documents that are ZIP archives: the sizes in their headers may be wrong."""

from __future__ import annotations

from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import archives

CHUNK = 1 << 20


def measured(path: Path, most_bytes: int, most_members: int) -> None:
    """Unpack everything, and drop it. Raises BadInput at the limit, and for what is broken or locked."""
    total = 0
    with archives.opened(path) as archive:
        members = archive.infolist()
        if len(members) > most_members:
            raise BadInput(
                f"The document has {len(members):,} parts; at most {most_members:,} are taken.", reason="too_large"
            )
        for member in members:
            if member.flag_bits & 1:
                raise BadInput("The document is locked with a password. Remove it and upload again.", reason="locked")
            with archive.open(member) as opened:
                while chunk := opened.read(CHUNK):
                    total += len(chunk)
                    if total > most_bytes:
                        said = (
                            f"The document unpacks to more than {most_bytes // 1_000_000:,} MB, the most that is taken."
                        )
                        raise BadInput(said, reason="too_large")
