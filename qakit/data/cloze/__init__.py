"""Cloze questions: Chinese text without labels in, questions with their answers out.

`answer_candidates` finds what could be an answer by parts of speech; `questions` turns it into records.
"""
