"""Jobs: the catalogue, forms, lists, progress, results, and their API."""
