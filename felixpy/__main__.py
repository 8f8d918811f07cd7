"""The `felixpy` command: the daemon without the command line's library, everything else with it."""

import sys


def main() -> None:
    """`felixpy run` and `felixpy cni` start at once; other verbs, and `--help`, go to the command line's library."""
    if sys.argv[1:2] == ["run"] and not {"-h", "--help"}.intersection(sys.argv):
        from felixpy.cli.run import start

        start(sys.argv[2:])
    elif sys.argv[1:2] == ["ask"]:
        from felixpy.cli.ask import start as ask

        ask(sys.argv[2:])
    elif sys.argv[1:] == ["cni"]:
        from felixpy.cni.twin import main as plugin

        plugin()
    else:
        from felixpy.cli.main import main as command_line

        command_line()


if __name__ == "__main__":
    main()
