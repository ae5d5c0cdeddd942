"""The files that come with the messages of a mailing: the same for all, pictures of the HTML, and some of a person's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput, FieldError
from jobs.engine.files.inputs import Input
from jobs.engine.mail.compose import mail_attachment
from jobs.engine.mail.inline import MailAttachment, picture_errors

MOST_BYTES = 20_000_000  # most servers accept messages of 25 MB, and the encoding adds to it
_SPLIT = re.compile(r"\s*[;\n]\s*")


@dataclass(frozen=True)
class Enclosures:
    """shared: files for all. pictures: of the HTML. own: files of which a row names its own in `column`, by their names."""

    shared: Sequence[Input] = ()
    pictures: Sequence[Input] = ()
    own: Sequence[Input] = ()
    column: str = ""

    @classmethod
    def found(
        cls,
        find: Callable[[str], Input],
        shared: Sequence[str],
        pictures: Sequence[str],
        own: Sequence[str],
        column: str,
    ) -> Enclosures:
        shared_files, picture_files, own_files = ([find(ref) for ref in refs] for refs in (shared, pictures, own))
        return cls(shared_files, picture_files, own_files, column)

    def errors(self, html: str, columns: Sequence[str]) -> Iterator[FieldError]:
        """What would affect every message."""
        if sum(one.bytes for one in (*self.shared, *self.pictures)) > MOST_BYTES:
            most = f"{MOST_BYTES / 1e6:.0f} MB"
            yield FieldError("attachments", f"The attachments are larger than {most} together. Link to them instead.")
        yield from (FieldError("pictures", one) for one in picture_errors(html, [one.name for one in self.pictures]))
        if wrong := next((one.name for one in self.pictures if not one.media_type.startswith("image/")), None):
            yield FieldError("pictures", f"{wrong} is no picture.")
        if self.own and not self.column:
            yield FieldError("attachment_column", "Say which column names the files of each person.")
        if self.column and not self.own:
            yield FieldError("personal_files", "Choose the files that the column names.")
        if self.column and self.column not in columns:
            yield FieldError("attachment_column", f"There is no column “{self.column}”.")
        names = [one.name for one in self.own]
        if twice := next((name for name in names if names.count(name) > 1), None):
            yield FieldError("personal_files", f"Two files are called {twice}. A row could mean either.")

    def trouble(self, row: Mapping[str, Any]) -> BadInput | None:
        """Why the message of this row would come without a file that it should have."""
        try:
            own = self._own_of(row)
        except BadInput as error:
            return error
        if sum(one.bytes for one in (*self.shared, *self.pictures, *own)) > MOST_BYTES:
            return BadInput(f"The attachments of this row are larger than {MOST_BYTES / 1e6:.0f} MB together.")
        return None

    def attachments(self, row: Mapping[str, Any]) -> list[MailAttachment]:
        """Those of one message, read into memory. Raises BadInput."""
        return [*self._shared, *map(mail_attachment, self._own_of(row))]

    def names(self, row: Mapping[str, Any]) -> list[str]:
        """The names of the files that the message of this row comes with. Raises BadInput."""
        return [one.name for one in (*self.shared, *self._own_of(row))]

    @cached_property
    def inline(self) -> list[MailAttachment]:
        return [mail_attachment(one) for one in self.pictures]

    @cached_property
    def _shared(self) -> list[MailAttachment]:
        return [mail_attachment(one) for one in self.shared]

    @cached_property
    def _by_name(self) -> dict[str, Input]:
        return {one.name: one for one in self.own}

    def _own_of(self, row: Mapping[str, Any]) -> list[Input]:
        written = as_text(row.get(self.column)).strip() if self.column else ""
        names = [name for name in _SPLIT.split(written) if name]
        if missing := next((name for name in names if name not in self._by_name), None):
            raise BadInput(f"There is no file “{missing[:100]}” among the files of each person.", reason="no_file")
        return [self._by_name[name] for name in names]
