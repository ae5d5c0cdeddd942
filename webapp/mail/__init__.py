"""The outbox and suppressed addresses."""
