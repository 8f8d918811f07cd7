"""Pure: paths by prefix, the best of them, and why."""
