"""Changing many documents: which, and how to undo it."""
