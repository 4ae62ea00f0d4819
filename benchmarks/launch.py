# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds from the start of main_hpt to the first finished batch of rollouts, with and without hpt.fork_workers,
and as a study launches its trainings.

The batch is finished when its line is in questions.jsonl. It is tiny, so that the launch is what is measured.

    python -m benchmarks.launch

Further arguments override config/quickstart.yaml.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.common import (
    OURS,
    TINY,
    Values,
    finish,
    make_task,
    measure,
    new_folder,
    overrides_of,
    parser,
    summary,
    train,
)
from hpt.method.question_log import FILE
from recipe.hpt.launch import preloaded

POLL_SECONDS = 0.05


def launch(folders: Iterator[Path], overrides: Sequence[str], interpreter: str = sys.executable) -> Values:
    """Start a training of one step, and wait until it has ended."""
    folder, seconds = next(folders), {}
    start = time.perf_counter()

    def watch(process: subprocess.Popen) -> None:
        questions = folder / FILE
        while process.poll() is None and not (questions.exists() and questions.stat().st_size):
            time.sleep(POLL_SECONDS)
        seconds["to the first batch s"] = time.perf_counter() - start
        process.wait()
        seconds["to the end s"] = time.perf_counter() - start

    train(folder, overrides, watch, [interpreter, *OURS[1:]])
    return seconds


def main() -> None:
    given, further = parser(__doc__, repeat=5).parse_known_args()
    folder = new_folder("launch")
    task, folders = folder / "task", (folder / f"run{number}" for number in itertools.count())
    make_task(task, TINY)
    overrides = [*overrides_of(task, TINY, steps=1), *further]
    arms = {
        f"fork_workers={value}": partial(launch, folders, [*overrides, f"hpt.fork_workers={value}"])
        for value in ("false", "true")
    }
    arms["in a study"] = partial(launch, folders, [*overrides, "hpt.fork_workers=true"], preloaded())
    results = measure(arms, given.repeat)
    finish("launch", given.out, summary(results), values=results)


if __name__ == "__main__":
    main()
