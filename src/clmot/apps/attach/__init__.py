"""An embedding for a frozen detector."""
