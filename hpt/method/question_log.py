# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Which questions a training answered, per step: ``questions.jsonl`` in its folder.

One line per training step, the questions in the order of their optimizer steps:

    {"step": 3, "epoch": 0, "id": [...], "n": [...], "correct": [...], "mean": [...], "route": [...]}

``n`` rollouts were scored, ``correct`` of them have score 1, ``mean`` is P, ``route`` names the terms that
the gate gave the question: rl, off, sft, joined by "+" (see :class:`hpt.method.gate.Coefficients`).
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt.method.gate import TOLERANCE, Coefficients, mean_score

FILE = "questions.jsonl"
TERMS = ("rl", "off", "sft")
"""Names of the coefficients on, off and sft."""


def route_of(coefficients: Coefficients) -> str:
    """Return the names of the terms whose coefficient is not 0, joined by "+"."""
    return "+".join(term for term, c in zip(TERMS, coefficients, strict=True) if c > 0.0)


def append(
    folder: str | os.PathLike[str],
    step: int,
    epoch: int,
    ids: Sequence[str],
    scores: Sequence[Sequence[float]],
    coefficients: Sequence[Coefficients],
) -> None:
    """Add a step's line. A step that a resumed run repeats gets a second one, which counts.

    Args:
        folder: the training's; made if it is not there.
        step: as in the metrics, from 1.
        epoch: of the training data, from 0.
        ids: of the questions.
        scores: of each question's rollouts, in [0, 1].
        coefficients: what the gate gave each question.
    """
    line = {
        "step": step,
        "epoch": epoch,
        "id": list(ids),
        "n": [len(of_question) for of_question in scores],
        "correct": [sum(score > 1.0 - TOLERANCE for score in each) for each in scores],
        "mean": [round(mean_score(of_question), 6) for of_question in scores],
        "route": [route_of(each) for each in coefficients],
    }
    path = Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:  # a killed process may have left half a line: it stays one of its own
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line).encode() + b"\n")


def read(folder: str | os.PathLike[str]) -> dict[int, dict[str, Any]]:
    """Return the last line of each step, in the order of the steps; half a line is left out.

    Raises:
        FileNotFoundError: the folder has none, as of a strategy that samples no rollouts.
    """
    steps: dict[int, dict[str, Any]] = {}
    for line in (Path(folder) / FILE).read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        steps[entry["step"]] = entry
    return dict(sorted(steps.items()))
