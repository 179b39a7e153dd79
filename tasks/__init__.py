"""The datasets, one file a cluster."""
