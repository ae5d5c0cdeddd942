"""The library: documents, search, and their API."""
