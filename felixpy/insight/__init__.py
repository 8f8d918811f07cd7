"""What the whole network would do: forwarding, traces and invariants, worked out from every node's facts. Pure."""
