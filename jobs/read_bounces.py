"""Read bounces and complaints, and write to those addresses no more.

Mail servers report to the sender what they could not deliver, and who called it spam. This reads the mailbox where such reports
arrive (IMAP_URL), or reports that you saved as files, and adds the addresses that cannot be reached, or do not want to be, to the
suppressed ones, which Send emails leaves out. A report counts if it is about a message that Send emails sent. Make a schedule of
it, such as every hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from typing import Any, Literal

from jobs.engine import mail, queue
from jobs.engine.kits import bounces
from jobs.engine.kits.bounces import Mailbox, Notice, mailings
from jobs.engine.sdk import (
    Context,
    Estimate,
    FieldError,
    FileRef,
    Find,
    ItemColumn,
    KindParams,
    KindResult,
    Recipe,
    figure,
    param,
)

TITLE = "Read bounces"
GROUP = "Mail"
WORDS = "bounce, complaint, undeliverable, imap, dsn, suppression, spam, feedback loop, delivery status, clean a list"
QUEUE = "mail"
NEEDS = ("email_validator",)
NOUN = ("mail", "mails")

REPORTS = ("bounce", "delay", "complaint")
AT_ONCE = 25  # mails that one child reads
NOT_SET_UP = "IMAP_URL is not set: it names the mailbox that bounces come to. Or choose saved mails below."


class Params(KindParams):
    files: list[FileRef] = param(
        "Saved mails",
        "Reports as .eml files, instead of those in the mailbox.",
        default=[],
        max_length=1_000,
    )
    after: Literal["seen", "delete", "leave"] = param(
        "What was read",
        "Of the reports in the mailbox. Only unread mail is looked at, and what is no report stays unread.",
        default="seen",
        words={"seen": "Is marked as read", "delete": "Is deleted", "leave": "Stays as it is"},
        advanced=True,
    )
    complaints: bool = param(
        "Complaints", "Suppress those who called a message spam, too.", default=True, advanced=True
    )
    untraced: bool = param(
        "Reports without a mailing",
        "Suppress also where no mailing of ours is found, as behind servers that change the Message-ID. Anybody can forge such "
        "a report.",
        default=False,
        advanced=True,
    )
    most: int = param("Most mails", default=2_000, ge=1, le=100_000, unit="mails", advanced=True)


COLUMNS = (
    ItemColumn("address", "Address", "word"),
    ItemColumn(
        "what",
        "It is",
        "tag",
        words={
            **{"bounce": "A bounce", "delay": "A delay", "complaint": "A complaint", "other": "No report"},
            "unreadable": "Not readable",
        },
        facet=True,
    ),
    ItemColumn("suppressed", "Suppressed", "yes_no", facet=True),
    ItemColumn("status", "Status", "word"),
    ItemColumn("reason", "Reason", "text"),
    ItemColumn("mailing", "Mailing", "job"),
    ItemColumn("mail", "Mail", "word", role="yours", shown="asked"),
)


class Result(KindResult):
    read: int = figure("Mails read", type="number")
    bounces: int = figure("Bounces", type="number")
    complaints: int = figure("Complaints", type="number", shown="if_any")
    suppressed: int = figure("Suppressed", type="number")


EXAMPLE: dict[str, Any] = {"files": ["sample:bounce.eml"], "untraced": True}
RECIPES = (Recipe("Clean a list by its bounces", EXAMPLE),)


def check(params: Params, find: Find) -> list[FieldError]:
    if params.files or bounces.is_configured():
        return []
    return [FieldError("files", NOT_SET_UP)]


def estimate(params: Params, find: Find) -> Estimate:
    return Estimate(items=len(params.files) or None)


def label(params: Params, find: Find) -> str:
    return ", ".join(find(ref).name for ref in params.files[:5]) or "the mailbox"


def run(params: Params, context: Context) -> dict[str, Any]:
    with ExitStack() as stack:
        mailbox = None if params.files else stack.enter_context(Mailbox())
        reader = BounceReader(params, context, mailbox)
        counts = context.map(
            reader.settle, reader.notices(), key=lambda row: str(row["mail"]), row=lambda row: {"mail": row["mail"]}
        )
        if mailbox and params.after == "delete":
            mailbox.expunge()
    found = queue.count_by_value(context.job.job_id, "what")
    return {
        "read": counts.done,
        "bounces": found.get("bounce", 0),
        "complaints": found.get("complaint", 0),
        "suppressed": queue.count_by_value(context.job.job_id, "suppressed").get("true", 0),
    }


class BounceReader:
    """One run."""

    def __init__(self, params: Params, context: Context, mailbox: Mailbox | None):
        self._params, self._context, self._mailbox = params, context, mailbox
        self._mailings = mailings.Mailings()

    def notices(self) -> Iterator[dict[str, Any]]:
        """The mails with what each says, read some at a time."""
        mails = self._mails()
        while some := list(islice(mails, AT_ONCE)):
            found = bounces.read_notices([content for _, _, content in some], self._context.check)
            for (key, number, _), notice in zip(some, found, strict=True):
                yield {"mail": key, "number": number, "notice": asdict(notice)}

    def settle(self, row: dict[str, Any]) -> dict[str, Any]:
        """Suppress the address of a report that is to count. Only then the mail is marked; mail that is no report never is."""
        notice = Notice(**row["notice"])
        job = self._mailings.of(notice.message_id, notice.address)
        owner = job[1] if job else self._context.job.owner if self._params.untraced else None
        address = mailings.address_key(notice.address)
        wanted = notice.final and (notice.what != "complaint" or self._params.complaints)
        suppress = bool(owner and address and wanted)
        if suppress and owner:
            mail.suppress_addresses(address, owner)
        if self._mailbox and notice.what in REPORTS:
            self._mailbox.settle(row["number"], self._params.after)
        if job and job[1] != self._context.job.owner:
            return {"what": notice.what, "suppressed": suppress, "reason": "About a mailing of another account."}
        known = {"address": notice.address, "status": notice.status, "reason": notice.reason}
        return {"what": notice.what, "suppressed": suppress, **known, "mailing": str(job[0]) if job else None}

    def _mails(self) -> Iterator[tuple[str, str, bytes]]:
        """Key, number in the mailbox, and content of each."""
        if self._mailbox is None:
            for ref in islice(self._params.files, self._params.most):
                with self._context.open(ref).path() as path:
                    yield ref, "", path.read_bytes()
            return
        for number in self._mailbox.unseen(self._params.most):
            if content := self._mailbox.mail(number):
                yield self._mailbox.key(number), number, content
