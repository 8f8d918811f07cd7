"""Shared: what every daemon has: logs, signals, metrics, health, a status socket."""
