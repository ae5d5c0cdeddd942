"""Recommendations out of interactions."""
