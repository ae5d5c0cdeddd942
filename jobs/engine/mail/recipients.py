"""The recipients of a mailing: the rows of a table, or a pasted list of addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput, FieldError, LegworkError, Skip
from jobs.engine.files.inputs import Input
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.mail import addresses
from jobs.engine.mail.addresses import Address

USUAL_NAMES = ("email", "e-mail", "email address", "e-mail address", "emailaddress", "mail", "mail address", "address")


@dataclass
class Recipient:
    """One row. `trouble`: why it gets no message."""

    key: str
    row: dict[str, Any]
    to: Address | None = None
    trouble: LegworkError | None = None
    message: EmailMessage | None = None


class RecipientList:
    """`pasted` is a text with addresses on lines, or between semicolons; its rows have the columns email and name."""

    def __init__(
        self,
        table: str | None,
        pasted: str,
        options: ReadOptions,
        column: str | None,
        find: Callable[[str], Input],
    ):
        """options: how the table is read. column: of the addresses; None: look for it. Raises BadInput."""
        if bool(table) == bool(pasted.strip()):
            raise BadInput(
                "There is both a table and a list of addresses. Leave one of them out."
                if table
                else "Choose a table, or write addresses below."
            )
        self._pasted, self._options = pasted, options
        self._source: Input | None = find(table) if table else None
        self._info = self._source.table(options) if self._source else None
        self.columns: list[str] = self._info.columns if self._info else ["email", "name"]
        self.column = column or (address_column(self.columns, self._info.first) if self._info else "email")

    @property
    def name(self) -> str:
        return self._source.name if self._source else "the list of addresses"

    def rows(self) -> Iterator[dict[str, Any]]:
        if self._source:
            return self._source.rows(self._options)
        lines = (line for line in self._pasted.splitlines() if line.strip())
        return (_as_row(one) for line in lines for one in addresses.each_address(line))

    def column_errors(self, name_column: str | None) -> Iterator[FieldError]:
        """What is wrong with the columns of addresses and names."""
        if self.column not in self.columns:
            some = ", ".join(self.columns[:10])
            yield FieldError("address_column", f"Say which column holds the addresses. There are: {some}.")
        if name_column and name_column not in self.columns:
            yield FieldError("name_column", f"There is no column “{name_column}”.")

    def recipients(self) -> Iterator[Recipient]:
        return recipients(self.rows(), self.column or "")

    def test(self, to: Address) -> Iterator[Recipient]:
        """The first valid row, addressed to the person who tests. Raises BadInput if there is none."""
        for recipient in self.recipients():
            if recipient.to is not None:
                yield Recipient("test", recipient.row, to)
                return
        raise BadInput("No row has an address.")

    def about(self) -> int | None:
        """The number of rows, if it is known without reading them all."""
        return self._info.rows if self._info else sum(1 for _ in self.rows())

    def total(self) -> int | None:
        if self._source and self._info and not self._info.exact:
            return self._source.count(self._options)
        return self.about()


def recipients(rows: Iterable[dict[str, Any]], column: str) -> Iterator[Recipient]:
    """The recipients in the order of the rows. Duplicate addresses and rows without one have `trouble` set.

    It holds 16 bytes in memory for each address.
    """
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows, start=1):
        found = _recipient(place, row, column)
        if found.to is not None:
            digest = hashlib.blake2b(found.key.encode(), digest_size=16).digest()
            if (before := seen.setdefault(digest, place)) != place:
                found = Recipient(
                    f"row {place}", row, trouble=Skip(f"Same address as row {before}.", reason="duplicate")
                )
        yield found


def address_column(columns: Sequence[str], first: Sequence[Mapping[str, Any]]) -> str | None:
    """The column of the addresses, found by its name or else by its values; None if it is not clear."""
    for usual in USUAL_NAMES:
        for column in columns:
            if column.strip().casefold().replace("_", " ") == usual:
                return column
    full = [column for column in columns if first and all("@" in as_text(row.get(column)) for row in first)]
    return full[0] if len(full) == 1 else None


def _recipient(place: int, row: dict[str, Any], column: str) -> Recipient:
    cell = as_text(row.get(column))
    if not cell.strip():
        return Recipient(f"row {place}", row, trouble=Skip(f"There is no address in the column “{column}”."))
    try:
        to = addresses.parse_address(cell)
    except BadInput as error:
        return Recipient(f"row {place}", row, trouble=error)
    return Recipient(to.key, row, to)


def _as_row(line: str) -> dict[str, Any]:
    try:
        found = addresses.parse_address(line)
    except BadInput:
        return {"email": line, "name": ""}
    return {"email": str(found), "name": found.name}
