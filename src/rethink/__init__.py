"""Capacity, memorization and generalization, measured: the package behind the book."""
