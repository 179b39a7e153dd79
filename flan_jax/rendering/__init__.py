"""From rows to prompts to tokens."""
