"""From a checkpoint to reported numbers."""
