"""Join: follow peers and datastore, settle kernel and peers."""
