"""Postgres and Redis: connections, tables, migrations and shared rate limits."""
