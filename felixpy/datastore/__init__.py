"""Edge, shared: where resources come from and go to. `source` is the seam."""
