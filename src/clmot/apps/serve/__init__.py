"""`clmot serve`: tracks over their video in a local page, corrected by hand, every edit kept at once."""
