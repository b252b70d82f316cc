"""Figures, and the table behind a figure."""
