"""What a person reads about a run: learning curves and the error report."""
