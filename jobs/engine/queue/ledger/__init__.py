"""The only writer of job rows. Every arrow of docs/architecture.md is one function here.

How a job is held, in five steps:
1. `claim` moves a due `queued` row to `running`, adds one to its `lease` and gives it until `lease_until`. Of any number of
   workers that try, the row lock lets one see `queued`.
2. `beat` pushes `lease_until` on while the work goes on. All times are the database's.
3. `record` writes what came of items, the log and the progress. Like every write of a run it names the lease; a run whose
   lease is no longer the row's writes nothing and is told so by LeaseLost.
4. `settle`, `release`, `postpone` or `give_up` ends the hold, again by naming the lease.
5. A row whose `lease_until` has passed is freed by `free_silent`; whoever held it finds its lease gone at its next write.

`claiming` is how a worker takes a job, `holding` what it does with it, `losing` what is done for workers that died, `asking`
what people and the clock ask of a job.
"""

from jobs.engine.queue.ledger.attempts import mark_started_unknown, note
from jobs.engine.queue.ledger.claims import LEASE_SECONDS, Claim, Contended, claim, claim_if_uncontended
from jobs.engine.queue.ledger.lease import (
    RESULT_BYTES,
    Batch,
    Outcome,
    Signal,
    add_file,
    beat,
    end_step,
    lock,
    postpone,
    record,
    release,
    settle,
    start_step,
    wait,
)
from jobs.engine.queue.ledger.recovery import give_up, recover_dead, recover_expired
from jobs.engine.queue.ledger.requests import (
    KeyTaken,
    TooManyWaiting,
    ask_stop,
    create,
    defer_unknown_kind,
    delete,
    forget_hidden_files,
    mark_delivered,
    mark_undelivered,
    pin,
    resume,
    retry,
    revise,
    revise_result,
    undeliver,
)

__all__ = [
    "LEASE_SECONDS",
    "RESULT_BYTES",
    "Batch",
    "Claim",
    "Contended",
    "KeyTaken",
    "Outcome",
    "Signal",
    "TooManyWaiting",
    "add_file",
    "ask_stop",
    "beat",
    "claim",
    "claim_if_uncontended",
    "create",
    "defer_unknown_kind",
    "delete",
    "end_step",
    "forget_hidden_files",
    "give_up",
    "lock",
    "mark_delivered",
    "mark_started_unknown",
    "mark_undelivered",
    "note",
    "pin",
    "postpone",
    "record",
    "recover_dead",
    "recover_expired",
    "release",
    "resume",
    "retry",
    "revise",
    "revise_result",
    "settle",
    "start_step",
    "undeliver",
    "wait",
]
