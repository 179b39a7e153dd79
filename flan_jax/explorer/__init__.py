"""The page that `flan-jax explore` makes."""
