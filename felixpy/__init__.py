"""felixpy: what this node's kernel should hold for its pods.

Shared with birdpy: model, datastore, reconcile, kernel, daemon, show. Nothing else may be imported from there.
"""
