"""This node's own identity."""
