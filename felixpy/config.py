"""Join: Settings of the agent: flag, environment, default."""
