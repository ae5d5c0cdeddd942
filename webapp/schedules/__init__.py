"""Schedules: their pages and API."""
