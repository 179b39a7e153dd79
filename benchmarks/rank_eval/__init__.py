"""Who scores options faster: this project or lm-evaluation-harness."""
