"""What a confined child that has been taken over can do on this machine: the attempts of tests/engine/sandbox/attacker.py."""

from __future__ import annotations

from tests.engine.sandbox.test_attacks import attacked, got_through


def let_through() -> list[str]:
    """The attempts that are not refused, each as a sentence."""
    return [f"A confined child is not refused: {name}." for name in sorted(got_through(attacked("attacker", 0)))]
