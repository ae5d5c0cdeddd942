"""Vectors in files."""

from __future__ import annotations

import json
import struct


def rounded(vector: list[float]) -> list[float]:
    """The vector rounded to about the precision of 32-bit floats."""
    numbers: list[float] = json.loads(as_json(vector, 8))
    return numbers


def as_json(vector: list[float], digits: int = 9) -> str:
    """The vector as JSON, formatted in one operation: number by number takes as long as a small model. Nine digits
    represent every 32-bit float exactly."""
    return f"[{f'%.{digits}g,' * len(vector) % tuple(vector)}"[:-1] + "]"


def npy_head(rows: int, columns: int) -> bytes:
    """The header of NumPy's file format, version 1.0, for a table of 32-bit numbers."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head
