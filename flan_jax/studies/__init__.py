"""The experiments of the paper: what it reports, and how to repeat them."""
