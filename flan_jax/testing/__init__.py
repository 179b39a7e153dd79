"""The test kit for datasets, and two datasets that show that training works."""
