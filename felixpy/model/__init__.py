"""Nouns, shared by both daemons. Nothing here reads, writes or waits."""
