# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The training file from OpenR1-Math-46k-8192: columns prompt, target, reward_model and the rest of hpt's format.

    python examples/data_preprocess/openr1.py --out data/openr1_math_46k.parquet \\
        --tokenizer Qwen/Qwen2.5-Math-1.5B --max-target-length 8192

System messages are left out. A gold solution has no <think> tag, or one pair at its beginning, whose opening tag is
put back where it is missing; others are dropped. Of questions that are equal but for case, white space and LaTeX
spacing the first usable one is kept.
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
from hpt.data.openr1 import SUBSET, subset_layout
from hpt.data.preparation import Preparation
from hpt.data.sources import open_source
from hpt.data.writing import check_free


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=SUBSET, help=f"hub id, file or folder ({SUBSET})")
    parser.add_argument("--revision", help="of the hub dataset (its newest commit)")
    parser.add_argument("--split", default="train", help="of a hub dataset or folder (train)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file to write")
    add_solution_options(parser)
    add_output_options(parser)
    return parser.parse_args()


def run(options: argparse.Namespace) -> int:
    check_free(options.out, options.overwrite)
    settings = Settings(options.think, options.max_target_length, options.overlong, options.unverifiable)
    tokenizer = load_tokenizer(options.tokenizer)
    source = open_source(options.source, split=options.split, revision=options.revision)
    preparation = Preparation(
        source,
        subset_layout(options.think),
        settings,
        tokenizer=tokenizer,
        workers=options.workers,
        progress=not options.no_progress,
    )
    counts = preparation.write(options.out, overwrite=options.overwrite)
    print_counts(counts, f"Training set from {options.source}", options.out)
    return OK


if __name__ == "__main__":
    sys.exit(guarded(run, parse_arguments()))
