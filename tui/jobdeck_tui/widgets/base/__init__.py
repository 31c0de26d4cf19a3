"""Building blocks that the other widgets share."""
