"""Network: encoder, neck, heads, embedding read-out and decoding."""
