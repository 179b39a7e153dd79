"""Training: loss, optimizer, step and checkpoints."""
