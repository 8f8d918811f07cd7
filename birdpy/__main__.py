"""`python -m birdpy` is `birdpy`."""

from birdpy.cli.main import main

main()
