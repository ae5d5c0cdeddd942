"""Formulas and distributions for simulations."""
