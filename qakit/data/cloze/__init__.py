"""Cloze questions: Chinese text without labels in, questions with their answers out."""
