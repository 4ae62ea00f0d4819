# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a long training grows: memory and open file handles of all its processes, rows left in TransferQueue.

Memory is resident memory, and pages that processes share count once (PSS). The growth is the slope of a line through
the second half of the samples, and "flat" means that it is below 0.1 % of the median per 100 steps.

    python -m benchmarks.memory --steps 1000

Further arguments override config/quickstart.yaml.
"""

import contextlib
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.common import (
    TINY,
    Values,
    finish,
    make_task,
    median,
    new_folder,
    overrides_of,
    parser,
    random_rewards,
    train,
)
from hpt.common.training_log import METRICS_FILE, Run
from recipe.hpt.launch import finished_steps

SAMPLES, POLL_SECONDS = 200, 1.0
FLAT = 0.001
"""Growth per 100 steps, as a share of the median, below which a quantity counts as flat."""


def sample(root: psutil.Process) -> dict[str, float]:
    """Sums over the process and all its descendants."""
    memory, handles, processes = 0, 0, 0
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended
            memory += process.memory_full_info().pss
            handles += process.num_fds()
            processes += 1
    return {"memory MiB": memory / 2**20, "file handles": handles, "processes": processes}


def growth(steps: list[float], values: list[float]) -> Values:
    """The median, the slope per 100 steps over the second half, and whether it is flat."""
    half = len(steps) // 2
    slope = 100 * float(np.polyfit(steps[half:], values[half:], 1)[0])
    level = median(values[half:])
    return {"per 100 steps": slope, "median": level, "largest": max(values), "flat": abs(slope) <= FLAT * level}


def watched(folder: Path, overrides: list[str], every: int) -> tuple[Run, list[dict[str, float]]]:
    """Train, and take a sample each ``every`` steps."""
    samples: list[dict[str, float]] = []

    def watch(process: subprocess.Popen) -> None:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            step = finished_steps(folder / METRICS_FILE)
            if step and (not samples or step >= samples[-1]["step"] + every):
                with contextlib.suppress(psutil.NoSuchProcess):
                    samples.append({"step": step, **sample(root)})
            time.sleep(POLL_SECONDS)

    return train(folder, overrides, watch), samples[:-1]  # the last one may have seen the end


def main() -> None:
    options = parser(__doc__, repeat=1)
    options.add_argument("--steps", type=int, default=1000, help="steps of the training (1000)")
    given, further = options.parse_known_args()
    folder = new_folder("memory")
    make_task(folder / "task", TINY)
    overrides = [*overrides_of(folder / "task", TINY, given.steps), *random_rewards(0.5), *further]
    rows: dict[str, Values] = {}
    details = []
    for number in range(given.repeat):
        run, samples = watched(folder / f"run{number}", overrides, max(1, given.steps // SAMPLES))
        steps = [each["step"] for each in samples]
        series = {name: [each[name] for each in samples] for name in samples[0] if name != "step"}
        of_run = {name: growth(steps, values) for name, values in series.items()}
        left = run.series("hpt/leftover_rows")
        of_run["rows left in TransferQueue"] = growth(list(left), list(left.values()))
        rows |= {f"{name}, run {number + 1}": values for name, values in of_run.items()}
        details.append({"samples": samples, "seconds per step": median(run.series("timing_s/step").values())})
    finish("memory", given.out, rows, runs=details, steps=given.steps)


if __name__ == "__main__":
    main()
