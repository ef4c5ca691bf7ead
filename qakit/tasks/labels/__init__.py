"""Tasks on single texts that have labels: records in, labels and their scores out."""
