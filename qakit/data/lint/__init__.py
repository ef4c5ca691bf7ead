"""Lint of prediction files: a file and its questions in, all faults of its form, its ids and its answers out.

Nothing here stops at the first fault, as `qakit.data.predictions` does.
"""
