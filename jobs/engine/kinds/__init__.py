"""Kinds of job: finding them, their params, checks, secrets and estimates."""
