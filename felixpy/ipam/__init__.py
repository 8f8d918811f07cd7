"""Addresses for pods: blocks with an affinity for a node, claimed by compare-and-swap."""
