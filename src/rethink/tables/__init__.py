"""Anybody's labelled data as numbers."""
