"""Scores of predictions against references, and their analysis.

In: predicted and reference texts, intents or tags. Out: scores, intervals, verdicts, slices, comparisons.
"""
