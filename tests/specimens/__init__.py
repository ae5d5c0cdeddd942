"""Kinds that the tests run on real workers: EXTRA_KINDS=tests.specimens. Each does one thing, on purpose badly or well."""
