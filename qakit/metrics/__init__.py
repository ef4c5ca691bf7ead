"""Scoring of predicted answers against reference answers."""
