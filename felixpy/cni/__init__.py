"""Edge: the CNI plugin (C shim and its Python twin) and its server inside the agent."""
