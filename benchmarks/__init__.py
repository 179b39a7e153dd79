"""Benchmarks, run from a checkout; each prints lines of JSON."""
