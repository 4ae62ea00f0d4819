# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of one run, read back from its folder. Metrics of older runs get today's names."""

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt.common.files import complete_json_lines

METRICS_FILE = "metrics.jsonl"
SFT_SHARE = "hpt/sft_share_questions"
DEMONSTRATION_SHARE = "hpt/demonstration_share_questions"
SHOWN_SHARE = "hpt/shown_share_questions"
RENAMED = {
    "hpt/offline_ratio": "hpt/demonstration_share_rows",
    "hpt/sft_share_tokens": "hpt/demonstration_share_tokens",
    "hpt/loss_offline": "hpt/loss_off",
}
"""Name of a metric in older runs -> its name today."""
_LEVEL = re.compile(r"^val-core/builtin/(?:(\w+)/)?level_(\d+)/acc/mean@\d+$")


@dataclass
class Run:
    """Metrics of a run, one dict per training step (step 0 is the validation before training).

    Attributes:
        folder: the run's folder.
        steps: step -> metric -> value.
    """

    folder: Path
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)

    def series(self, name: str) -> dict[int, float]:
        """step -> value, for the steps that have the metric."""
        return {step: row[name] for step, row in sorted(self.steps.items()) if name in row}

    def accuracy_per_level(self) -> dict[int, dict[int, float]]:
        """level -> step -> held-out accuracy, for the built-in task."""
        return self.accuracy_per_set().get("", {})

    def accuracy_per_set(self) -> dict[str, dict[int, dict[int, float]]]:
        """set -> level -> step -> held-out accuracy, for the built-in task; its validation set has the name ""."""
        sets: dict[str, dict[int, dict[int, float]]] = {}
        for step, row in sorted(self.steps.items()):
            for name, value in row.items():
                if match := _LEVEL.match(name):
                    sets.setdefault(match[1] or "", {}).setdefault(int(match[2]), {})[step] = value
        return {name: dict(sorted(levels.items())) for name, levels in sets.items()}


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run's metrics, including those of earlier launches. Of two launches with the same step, the later counts.

    The last line of a file may be cut off where the process was killed. Such a line is skipped.

    Raises:
        FileNotFoundError: the folder has no metrics.
    """
    folder = Path(folder)
    stem = METRICS_FILE.removesuffix(".jsonl")
    pattern = os.path.join(glob.escape(str(folder)), f"{stem}.*.jsonl")
    earlier = sorted(glob.glob(pattern), key=lambda path: int(Path(path).name.split(".")[1]))
    current = folder / METRICS_FILE
    files = [*earlier, *([str(current)] if current.exists() else [])]
    if not files:
        raise FileNotFoundError(
            f"no {METRICS_FILE} in {folder}; expected the folder of a run (trainer.default_local_dir)"
        )
    run = Run(folder)
    for file in files:
        for entry in complete_json_lines(Path(file)):
            run.steps.setdefault(entry["step"], {}).update(_todays_names(entry["data"]))
    return run


def _todays_names(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of metrics under today's names.

    In older runs ``hpt/sft_share_questions`` also counted questions that used their demonstration for off-policy RL.
    Today ``hpt/demonstration_share_questions`` counts them. If no question had an SFT term, the share of SFT becomes 0.
    """
    row = {RENAMED.get(name, name): value for name, value in row.items()}
    if SFT_SHARE in row and DEMONSTRATION_SHARE not in row:
        row[DEMONSTRATION_SHARE] = row[SFT_SHARE]
        if row.get("hpt/coefficient_sft") == 0:
            row[SFT_SHARE] = 0.0
    return row
