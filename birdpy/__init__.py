"""birdpy: what this node tells its BGP peers, and what it believes of them."""
