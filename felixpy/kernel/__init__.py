"""Edge, shared: the only code that touches Linux networking."""
