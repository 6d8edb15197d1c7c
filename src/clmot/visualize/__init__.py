"""Drawing, figures and tables for people."""
