"""Stored files: uploads, outputs, samples, and how much an owner may keep."""
