"""How fast rows become token caches."""
