"""What `flan-jax inspect` shows."""
