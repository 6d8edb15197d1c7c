"""What is done to finished tracks."""
