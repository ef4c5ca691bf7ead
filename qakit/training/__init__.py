"""Training without a task: optimiser, schedules, checkpoints and the loop; they take callables and know no records."""
