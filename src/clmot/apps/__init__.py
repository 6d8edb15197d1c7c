"""Applications: each folder is what one or two commands do."""
