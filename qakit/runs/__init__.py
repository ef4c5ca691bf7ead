"""What each command does: one file a verb, which wires the stages and returns a result."""
