"""Processes, child processes, compiled programs, paths and the console."""
