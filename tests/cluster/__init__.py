"""A real Kubernetes cluster on one machine, made of nothing but Debian's packages: see README.md in this folder."""
