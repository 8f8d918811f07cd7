"""Edge, shared: the cluster's API server as a datastore. `store` is the seam's implementation, `api` the client."""
