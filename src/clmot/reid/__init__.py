"""Re-identification of named individuals."""
