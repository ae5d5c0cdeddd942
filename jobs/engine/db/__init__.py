"""Postgres and Redis: connections, tables, migrations and shared rate limits.

The modules themselves are what this package offers. None is imported here: child processes that need one start light.
"""

__all__ = ["failures", "job_view", "migrations", "models", "postgres", "rate_limit", "records", "redis"]
