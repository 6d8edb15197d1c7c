"""Many videos: a manifest of what is done, workers, shards, clusters."""
