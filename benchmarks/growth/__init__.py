"""How the cost of what the project does grows with its size."""
