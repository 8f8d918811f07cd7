"""The `birdpy` command: the daemon without the command line's library, everything else with it."""

import sys


def main() -> None:
    """`birdpy run` starts the router at once; any other verb, and `run --help`, goes to the command line."""
    if sys.argv[1:2] == ["run"] and not {"-h", "--help"}.intersection(sys.argv):
        from birdpy.cli.run import start

        start(sys.argv[2:])
    else:
        from birdpy.cli.main import main as command_line

        command_line()


if __name__ == "__main__":
    main()
