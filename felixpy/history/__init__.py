"""What a node's routes were, and why they changed: a bounded log of each daemon, and how it is read."""
