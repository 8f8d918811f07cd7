"""Shared: printing tables and documents; finding the node that `--node` names."""
