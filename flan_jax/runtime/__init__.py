"""Processes, child processes and compiled programs."""
