"""From cached splits to packed batches."""
