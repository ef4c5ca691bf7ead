"""Tasks on questions and their texts: records in, answers and their scores out."""
