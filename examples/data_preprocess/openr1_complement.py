# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The training file from the questions of OpenR1-Math-220k that are not in OpenR1-Math-46k-8192.

    python examples/data_preprocess/openr1_complement.py --out data/openr1_complement.parquet \\
        --tokenizer Qwen/Qwen2.5-Math-1.5B --max-target-length 8192

The gold solution is the shortest, in characters, of the generations that math-verify found correct and whose reasoning
is complete. Questions are the same if they are equal but for case, white space and LaTeX spacing.
"""

import argparse
import sys
from pathlib import Path

from hpt.data.candidates import Settings
from hpt.data.command import (
    OK,
    add_output_options,
    add_solution_options,
    guarded,
    load_tokenizer,
    print_counts,
)
from hpt.data.openr1 import COMPLETE, SUBSET, complement_layout, subset_keys
from hpt.data.preparation import Preparation
from hpt.data.sources import open_source
from hpt.data.writing import check_free


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=COMPLETE, help=f"hub id, file or folder ({COMPLETE})")
    parser.add_argument("--config", help="of the hub dataset (default)")
    parser.add_argument("--revision", help="of the hub dataset (its newest commit)")
    parser.add_argument("--split", default="train", help="of a hub dataset or folder (train)")
    parser.add_argument(
        "--subset",
        default=SUBSET,
        help=f"whose questions to leave out: hub id, file or folder ({SUBSET})",
    )
    parser.add_argument("--subset-revision", help="of that hub dataset (its newest commit)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")
    add_solution_options(parser)
    add_output_options(parser)
    return parser.parse_args()


def run(options: argparse.Namespace) -> int:
    check_free(options.out, options.overwrite)
    settings = Settings(options.think, options.max_target_length, options.overlong, options.unverifiable)
    tokenizer = load_tokenizer(options.tokenizer)
    progress = not options.no_progress
    subset = open_source(options.subset, revision=options.subset_revision)
    source = open_source(options.source, config=options.config, split=options.split, revision=options.revision)
    preparation = Preparation(
        source,
        complement_layout(subset_keys(subset, progress), options.think),
        settings,
        tokenizer=tokenizer,
        workers=options.workers,
        progress=progress,
    )
    record = {"subset": subset.description}
    counts = preparation.write(options.out, overwrite=options.overwrite, record=record)
    print_counts(counts, f"Questions of {options.source} beyond {options.subset}", options.out)
    return OK


if __name__ == "__main__":
    sys.exit(guarded(run, parse_arguments()))
