"""What ails a node or the cluster, and what mends it: a table of checks over what was read. Pure."""
