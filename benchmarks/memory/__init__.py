"""How much memory caching, reading and importing take."""
