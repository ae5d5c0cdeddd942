"""`python -m tests.bench`: what the engine does in a second, beside what others do on the same machine and the same Redis."""
