"""Pure: which sessions exist, what is taken from a peer, what a peer is told."""
