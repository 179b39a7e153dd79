"""Writes answers that are free text."""
