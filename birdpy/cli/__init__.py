"""Join: one file per noun that a user types."""
