"""Extractive question answering on transformers, Chinese first."""

__version__ = "0.1.0"
