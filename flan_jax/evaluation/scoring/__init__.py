"""Ranks answers that are options."""
