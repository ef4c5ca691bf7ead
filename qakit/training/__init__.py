"""Training, for any task: in come a model, a training set and settings.

Out come steps (events with loss and learning rate), trained weights and checkpoints.
"""
