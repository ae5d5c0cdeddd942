"""A helper process of the web server: computes on forms (form_process.py)."""

from __future__ import annotations

from jobs.engine.kinds import form_process

if __name__ == "__main__":
    form_process.serve()
