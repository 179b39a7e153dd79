"""Finds texts of evaluated rows in other texts by the words they share."""
