"""Extractive question answering on transformers, Chinese first."""

__version__ = "0.2.0.dev0"
