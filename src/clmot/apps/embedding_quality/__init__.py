"""Whether an embedding is any good."""
