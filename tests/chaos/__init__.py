"""Faults at random on a lab of two ToRs, while every pod pings every other: `python -m tests.chaos --seed N`."""
