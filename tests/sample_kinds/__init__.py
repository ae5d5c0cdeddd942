"""Kinds that the tests run on real workers: EXTRA_KINDS=tests.sample_kinds. Each does one thing, on purpose badly or well."""
