"""Whose answers come faster: this project or `transformers`."""
