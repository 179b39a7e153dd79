"""How fast a corpus is searched for evaluated rows, and in how much memory."""
