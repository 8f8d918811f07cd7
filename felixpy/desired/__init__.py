"""Pure: what the kernel should hold for this node's pods."""
