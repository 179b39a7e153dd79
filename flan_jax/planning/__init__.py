"""Compiles for hardware that need not be present."""
