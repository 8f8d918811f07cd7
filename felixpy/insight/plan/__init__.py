"""What a change of the resources would do, worked out by the production code on other inputs. Pure.

The one folder of `felixpy` beside `felixpy.cli` that may use birdpy: its pure parts alone.
"""
