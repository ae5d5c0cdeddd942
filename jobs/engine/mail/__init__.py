"""Mail: composing, sending one or many, the outbox, and who must not be written to."""
