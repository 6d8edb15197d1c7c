"""Network: encoder, neck, heads, embedding pooling and decoding."""
