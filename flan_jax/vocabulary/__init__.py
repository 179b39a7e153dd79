"""Tokenizers behind one small type."""
