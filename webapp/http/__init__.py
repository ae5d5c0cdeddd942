"""HTTP: who asks, what was sent, what is refused, and how errors are answered."""
