"""A page about results: tables, figures, examples and how to repeat them."""
