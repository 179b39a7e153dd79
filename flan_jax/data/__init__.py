"""From TFDS rows to packed batches."""
