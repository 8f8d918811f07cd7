"""Benchmarks: `make bench`, or `python -m tests.bench [--quick] [ROW...]`.

A row is a function `Bench -> Row` in a module of this folder, named in `rows.ROWS`. It measures what it is about and
what it is compared with, alternately and several times, in namespaces of its own, and hands back samples and goals;
see `table.py` for the shapes and `routes.py` for an example. Medians, ratios and the machine's facts are printed and
written to bench-results/table.md and table.json.
"""
