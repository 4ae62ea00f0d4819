# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m hpt.data check FILE...`` validates question files; ``contamination`` compares training with benchmarks."""

import argparse
import sys
from collections.abc import Sequence

from hpt.data import check_command, contamination_command
from hpt.data.command import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 fine, 2 bad files or arguments, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m hpt.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (check_command, contamination_command):
        name = command.__name__.rpartition(".")[2].removesuffix("_command")
        each = commands.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_arguments(each)
        each.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    return guarded(options.run, options)


if __name__ == "__main__":
    sys.exit(main())
