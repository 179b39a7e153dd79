"""A test kit for datasets, and two datasets that check training."""
