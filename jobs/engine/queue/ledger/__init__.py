"""The only writer of job rows. Each change of state in the diagram of docs/architecture.md is one function here.

How a worker holds a job, in five steps:
1. `claim` moves a due `queued` row to `running`, adds one to its `lease` and gives it until `lease_until`. Of any number of
   workers that try, the row lock lets one see `queued`.
2. `beat` extends `lease_until` while the work goes on. All times are the database's.
3. `record` writes the outcomes of items, the log and the progress. Like every write of an attempt it names the lease; if the row
   has another lease by now, it writes nothing and raises LeaseLost.
4. `settle`, `release`, `postpone`, `wait` or `give_up` ends the lease, again by naming it.
5. `recover_expired` puts a row back whose `lease_until` has passed; the worker that held it gets LeaseLost at its next write.

`claims` has the claim, `lease` the writes of the worker that holds a job, `recovery` what is done for workers that were lost,
`requests` what people and the clock ask for, `parts` how several workers share the items of one job, `hours` counts of ended jobs
that outlive them.
"""

from jobs.engine.queue.ledger.attempts import mark_started_unknown, note
from jobs.engine.queue.ledger.claims import (
    LEASE_SECONDS,
    Claim,
    Contended,
    Help,
    PartRange,
    claim,
    claim_if_uncontended,
)
from jobs.engine.queue.ledger.hours import count_hours
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
from jobs.engine.queue.ledger.money import doubt, hold, spent
from jobs.engine.queue.ledger.parts import end_helpers_of, help_out, living_helpers, recover_helpers
from jobs.engine.queue.ledger.recovery import give_up, recover_dead, recover_expired
from jobs.engine.queue.ledger.requests import (
    KeyTaken,
    TooManyWaiting,
    ask_stop,
    ask_stops,
    create,
    defer_unknown_kind,
    delete,
    forget_hidden_files,
    hold_suspended,
    mark_delivered,
    mark_undelivered,
    pin,
    rename,
    reseal,
    resume,
    retry,
    retry_rows,
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
    "Help",
    "KeyTaken",
    "Outcome",
    "PartRange",
    "Signal",
    "TooManyWaiting",
    "add_file",
    "ask_stop",
    "ask_stops",
    "beat",
    "claim",
    "claim_if_uncontended",
    "count_hours",
    "create",
    "defer_unknown_kind",
    "delete",
    "doubt",
    "end_helpers_of",
    "end_step",
    "forget_hidden_files",
    "give_up",
    "help_out",
    "hold",
    "hold_suspended",
    "living_helpers",
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
    "recover_helpers",
    "release",
    "rename",
    "reseal",
    "resume",
    "retry",
    "retry_rows",
    "revise",
    "revise_result",
    "settle",
    "spent",
    "start_step",
    "undeliver",
    "wait",
]
