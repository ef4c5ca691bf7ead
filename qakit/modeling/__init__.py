"""Encoders: loading, feeding and running them."""
