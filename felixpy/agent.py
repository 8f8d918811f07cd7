"""Join: follow the datastore, settle the kernel."""
