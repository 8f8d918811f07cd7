"""A containerlab topology in network namespaces, without a container engine."""
