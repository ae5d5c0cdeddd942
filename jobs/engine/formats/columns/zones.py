"""Names of time zones that stand for one offset from UTC. CST, IST and BST, which stand for several, are not among them."""

from __future__ import annotations

ZONES = {
    **dict.fromkeys(("Z", "UTC", "GMT", "WET"), "+00:00"),
    **dict.fromkeys(("CET", "WEST", "MEZ"), "+01:00"),
    **dict.fromkeys(("CEST", "EET", "SAST", "MESZ"), "+02:00"),
    **dict.fromkeys(("EEST", "MSK"), "+03:00"),
    **{"HKT": "+08:00", "JST": "+09:00", "AEST": "+10:00", "AEDT": "+11:00", "NZST": "+12:00", "NZDT": "+13:00"},
    # As in mails (RFC 5322), of the United States.
    **{
        "EDT": "-04:00",
        "EST": "-05:00",
        "CDT": "-05:00",
        "MDT": "-06:00",
        "MST": "-07:00",
        "PDT": "-07:00",
        "PST": "-08:00",
    },
}
