"""Named identities in tracks."""
