"""Join: Settings of the router: flag, environment, default."""
