"""Re-identification of named identities."""
