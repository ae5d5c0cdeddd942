"""The JSON API: what its packages share."""
