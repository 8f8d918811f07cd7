"""`python -m felixpy` is `felixpy`."""

from felixpy.cli.main import main

main()
