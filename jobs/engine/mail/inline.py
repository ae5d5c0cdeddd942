"""Files of a message, and pictures within its HTML, which names them: <img src="cid:logo.png">."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from html import unescape
from urllib.parse import unquote

_CID = re.compile(r"""(?<=["'(])cid:([^"'()<>]{1,300})(?=["')])""")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "image/bmp")


@dataclass(frozen=True)
class MailAttachment:
    """A file that comes with a message."""

    name: str
    media_type: str
    content: bytes


def pictures_named(html: str) -> list[str]:
    """The names of the pictures that the HTML shows."""
    return list(dict.fromkeys(_name(found) for found in _CID.finditer(html)))


def picture_errors(html: str, names: Sequence[str]) -> Iterator[str]:
    """Sentences on pictures that the HTML names and nobody chose, and the other way round."""
    named = pictures_named(html)
    if missing := next((name for name in named if name not in names), None):
        given = f"There are: {', '.join(names[:10])}." if names else "None is chosen."
        yield f"The HTML shows “{missing[:80]}”, which is not among the pictures. {given}"
    elif unused := next((name for name in names if name not in named), None):
        yield f'The HTML does not show “{unused[:80]}”. Write <img src="cid:{unused[:80]}"> where it belongs.'


def add_html(message: EmailMessage, html: str, pictures: Sequence[MailAttachment], domain: str) -> None:
    """Add the HTML to a message that has a text, with its pictures."""
    ids = {picture.name: f"{_digest(picture)}@{domain}" for picture in pictures}
    shown = [picture for picture in pictures if picture.name in pictures_named(html)]
    message.add_alternative(_CID.sub(lambda found: f"cid:{ids.get(_name(found), found[1])}", html), subtype="html")
    if (body := message.get_body(("html",))) is None:
        return
    for picture in shown:
        main, _, sub = picture.media_type.partition("/")
        body.add_related(picture.content, main, sub, cid=f"<{ids[picture.name]}>", disposition="inline")


def _name(found: re.Match[str]) -> str:
    return unquote(unescape(found[1]))


def _digest(picture: MailAttachment) -> str:
    return hashlib.sha256(picture.content).hexdigest()[:32]
