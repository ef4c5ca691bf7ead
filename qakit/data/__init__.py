"""Data without models: files in; records, corpora, candidates, reports and prediction files out."""
