"""Cloze questions: Chinese text without labels in, questions with their answers out.

`questions` finds what could be an answer by parts of speech, and turns it into records.
"""
