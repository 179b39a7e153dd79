"""Answers requests over HTTP: completions, ranked options, and a page."""
