"""Kinds that the pages are tested with: EXTRA_KINDS=tests.web.sample_kinds."""
