"""Kinds that the pages are tested with: EXTRA_KINDS=tests.pages.kinds."""
