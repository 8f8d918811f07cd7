"""The `felixpy` command: the daemon without the command line's library, everything else with it."""

import sys


def main() -> None:
    """`felixpy run` starts the agent at once; any other verb, and `run --help`, goes to the command line."""
    if sys.argv[1:2] == ["run"] and not {"-h", "--help"}.intersection(sys.argv):
        from felixpy.cli.run import start

        start(sys.argv[2:])
    else:
        from felixpy.cli.main import main as command_line

        command_line()


if __name__ == "__main__":
    main()
