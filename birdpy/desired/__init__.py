"""Pure: what the kernel and each peer should hold."""
