"""Whose training steps are shorter."""
