"""`clmot convert-results`: results of tracking in the formats of annotation tools and benchmarks, and back."""
