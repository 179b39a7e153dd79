"""The token cache: written with TensorFlow, read without it."""
