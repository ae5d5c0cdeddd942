"""What Legwork promises, tried on the whole app from outside: HTTP, signals, and witnesses that count what really happened.

Each chapter is a function that takes a house, a random generator and sizes, and gives verdicts. `python -m tests.chaos` runs
them long; tests/stories runs them short.
"""
