"""Checkpoints made ready for training."""
