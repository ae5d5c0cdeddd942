"""The straight lines and the frames that a page of a PDF has, out of PDFium's objects."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfPage as Page

DEEPEST = 5  # forms within forms

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]


def pieces(page: Page) -> Iterator[tuple[Point, Point]]:
    """The two ends of each straight piece of each path that is drawn, in the page's own coordinates."""
    import pypdfium2.raw as raw

    count = raw.FPDFPage_CountObjects(page)
    objects = (raw.FPDFPage_GetObject(page, place) for place in range(count))
    yield from _of_objects(objects, (1, 0, 0, 1, 0, 0), DEEPEST)


def _of_objects(objects: Iterator[Any], outer: Matrix, depth: int) -> Iterator[tuple[Point, Point]]:
    import pypdfium2.raw as raw

    for one in objects:
        kind = raw.FPDFPageObj_GetType(one)
        if kind == raw.FPDF_PAGEOBJ_PATH and _is_drawn(one):
            yield from _of_path(one, _times(_matrix(one), outer))
        elif kind == raw.FPDF_PAGEOBJ_FORM and depth:
            inside = (raw.FPDFFormObj_GetObject(one, place) for place in range(raw.FPDFFormObj_CountObjects(one)))
            yield from _of_objects(inside, _times(_matrix(one), outer), depth - 1)


def _is_drawn(path: Any) -> bool:
    import pypdfium2.raw as raw

    filled, stroked = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, filled, stroked)
    return bool(filled.value or stroked.value)


def _matrix(one: Any) -> Matrix:
    import pypdfium2.raw as raw

    found = raw.FS_MATRIX(1, 0, 0, 1, 0, 0)
    raw.FPDFPageObj_GetMatrix(one, found)
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _of_path(path: Any, matrix: Matrix) -> Iterator[tuple[Point, Point]]:
    import pypdfium2.raw as raw

    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = (0.0, 0.0)
    a, b, c, d, e, f = matrix
    for place in range(raw.FPDFPath_CountSegments(path)):
        segment = raw.FPDFPath_GetPathSegment(path, place)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = a * x.value + c * y.value + e, b * x.value + d * y.value + f
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_LINETO:
            yield last, point
        elif kind == raw.FPDF_SEGMENT_MOVETO:
            first = point
        last = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield last, first
            last = first
