"""Container runtimes of the distribution with felixpy as their only network plugin, on a machine of their own."""
