# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands of data and model preparation share: exit codes, tables, common options."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpt.common import tokenizers
from hpt.common.terminal import print_table
from hpt.data.counts import Counts
from hpt.verifier.pool import DEFAULT_WORKERS

OK, REFUSED, INTERRUPTED = 0, 2, 130


def guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command; the user's mistakes become one message on standard error.

    Returns:
        The command's exit code; 2 for a mistake (ValueError, or a file that cannot be read or written), 130
        when interrupted.
    """
    try:
        return run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("interrupted; nothing half-written is left", file=sys.stderr)
        return INTERRUPTED


def at_least(smallest: int) -> Callable[[str], int]:
    """A type for argparse: a whole number from ``smallest`` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < smallest:
            raise argparse.ArgumentTypeError(f"expected a whole number >= {smallest}, got {text}")
        return value

    return number


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``, ``--workers`` and ``--no-progress``."""
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--workers", type=at_least(1), default=DEFAULT_WORKERS, help="verifier processes (2)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")


def add_solution_options(parser: argparse.ArgumentParser) -> None:
    """What becomes of gold solutions in a training file."""
    parser.add_argument(
        "--think",
        choices=("keep", "strip"),
        default="keep",
        help="keep the pair of <think> tags at a solution's beginning, or take the two tags out (keep)",
    )
    parser.add_argument(
        "--max-target-length",
        type=at_least(1),
        help="longest gold solution in tokens, EOS included (no limit); needs --tokenizer",
    )
    parser.add_argument("--tokenizer", help="folder or hub id of the policy's tokenizer")
    parser.add_argument(
        "--overlong",
        choices=("drop", "error", "keep"),
        default="drop",
        help="what becomes of a question with a longer solution (drop)",
    )
    parser.add_argument(
        "--unverifiable",
        choices=("drop", "error"),
        default="drop",
        help="what becomes of a question whose gold answer cannot be verified (drop)",
    )


def load_tokenizer(name: str | None) -> Any:
    """The tokenizer that ``--tokenizer`` names; None for None.

    Raises:
        ConfigError: there is none that can be loaded.
    """
    return None if name is None else tokenizers.load_tokenizer(name, f"--tokenizer {name}")


def print_counts(counts: Counts, title: str, written: Path) -> None:
    """What was read, dropped and kept, and the first examples of rows with a reason of their own."""
    notes: Sequence[str] = (*counts.examples, *counts.remarks, f"wrote {written}")
    print_table(counts.table(title), notes, markdown=False)
