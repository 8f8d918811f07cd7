"""A parser under atheris, which seeks inputs by coverage: `python -m tests.laws.fuzz NAME [OPTIONS]` (`make fuzz`).

Options are libFuzzer's (`-max_total_time=60`). The process ends with the input that broke a parser in a file.
"""

import sys

import atheris

with atheris.instrument_imports(include=["felixpy", "birdpy"]):
    from tests.laws.parsers import PARSERS
    from tests.laws.test_parsers import SAMPLES


def main() -> None:
    name, options = sys.argv[1], sys.argv[2:]
    PARSERS[name](SAMPLES[name])
    atheris.Setup([sys.argv[0], *options], PARSERS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
