"""Reviewing verdicts: pages and API."""
