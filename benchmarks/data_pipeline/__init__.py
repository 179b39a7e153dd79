"""Whose batches come faster."""
