"""Edge: the only code that speaks with ExaBGP."""
