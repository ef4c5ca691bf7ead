"""What is wrong with a prediction file: its form, its ids, its answers. Nothing here stops at the first fault."""
