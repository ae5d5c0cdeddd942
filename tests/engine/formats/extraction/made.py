"""Files that the tests of readers make by code."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from jobs.engine.formats.extraction import formats
from jobs.engine.formats.extraction.runner import Extracted

WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><w:body>{}</w:body></w:document>'
)
RELATIONSHIPS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def read(folder: Path, data: bytes, name: str, *, ocr: bool = False) -> Extracted:
    """What is read of a file in this process. It is stored under a name without a suffix, as uploads are."""
    path = folder / "stored"
    path.write_bytes(data)
    return formats.reader(path, name)(path, name, ocr)


def zipped(members: dict[str, str | bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return kept.getvalue()


def docx(body: str, **parts: str) -> bytes:
    """A Word document; parts: other parts in the folder word, by their names without .xml."""
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    link = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
    others = "".join(
        f'<Relationship Id="p{number}" Type="{_OFFICE}/{name.strip("0123456789")}" Target="{name}.xml"/>'
        for number, name in enumerate(parts)
    )
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": types,
        "_rels/.rels": RELATIONSHIPS.format(link),
        "word/_rels/document.xml.rels": RELATIONSHIPS.format(others),
        "word/document.xml": WORD.format(body),
    }
    return zipped(members | {f"word/{name}.xml": part for name, part in parts.items()})


def paragraph(*runs: str) -> str:
    """A paragraph of Word; a run that begins with < stands as it is."""
    texts = (run if run.startswith("<") else f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs)
    return f"<w:p>{''.join(texts)}</w:p>"


def pdf(content: str, pages: int = 1) -> bytes:
    """A PDF; the first page has this content, the others a filled rectangle."""
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
    contents = [content, *["0 0 100 100 re f"] * (pages - 1)]
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(pages))}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(contents):
        objects += [page.format(5 + 2 * number), f"<< /Length {len(text)} >>\nstream\n{text}\nendstream"]
    made = "%PDF-1.4\n" + "".join(f"{number} 0 obj\n{one}\nendobj\n" for number, one in enumerate(objects, 1))
    return (made + "trailer << /Root 1 0 R >>\n%%EOF\n").encode("latin-1")


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file (OLE) with these streams, "folder/name" for those in a folder."""
    names = sorted({part for name in streams for part in (name.split("/")[0], name)})
    entries, sectors = [("Root Entry", 5, b"", 0)], b""
    children: dict[str, list[int]] = {"": []}
    for name in names:
        folder, _, short = name.rpartition("/")
        is_stream = name in streams
        children.setdefault(folder, []).append(len(entries))
        entries.append(
            (short or name, 2 if is_stream else 1, streams.get(name, b"").ljust(4096, b"\0") if is_stream else b"", 0)
        )
    directory, fat, start = b"", [], 0
    order = ["", *names]
    for number, (short, kind, data, _) in enumerate(entries):
        first = 0xFFFFFFFE
        if kind == 2:
            count = -(-len(data) // 512)
            first, start = start, start + count
            fat += [*range(first + 1, first + count), 0xFFFFFFFE]
            sectors += data.ljust(count * 512, b"\0")
        siblings = next((group for group in children.values() if number in group), [])
        after = siblings[siblings.index(number) + 1] if number in siblings[:-1] else 0xFFFFFFFF
        child = children.get(order[number], [0xFFFFFFFF])[0] if kind != 2 else 0xFFFFFFFF
        wide = short.encode("utf-16-le") + b"\0\0"
        directory += wide.ljust(64, b"\0") + struct.pack(
            "<HBB3I16xI16xIQ", len(wide), kind, 1, 0xFFFFFFFF, after, child, 0, first, len(data)
        )
    directory = directory.ljust(-(-len(directory) // 512) * 512, b"\0")
    dir_start, dir_count = start, len(directory) // 512
    fat += [*range(dir_start + 1, dir_start + dir_count), 0xFFFFFFFE]
    fat_start, fat_count = dir_start + dir_count, (len(fat) + 128) // 128
    fat += [0xFFFFFFFD] * fat_count
    fat += [0xFFFFFFFF] * (fat_count * 128 - len(fat))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    head += struct.pack("<4I", 0, fat_count, dir_start, 0) + struct.pack("<5I", 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    table = [*range(fat_start, fat_start + fat_count)] + [0xFFFFFFFF] * (109 - fat_count)
    return head + struct.pack("<109I", *table) + sectors + directory + struct.pack(f"<{len(fat)}I", *fat)
