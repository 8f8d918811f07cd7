"""N routers of the production code in one process; messages wait in queues, a seed says which arrives next."""
