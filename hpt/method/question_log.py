# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Which questions a training answered, per step: ``questions.jsonl`` in its folder.

One line per training step, the questions in the order of their optimizer steps:

    {"step": 3, "epoch": 0, "id": [...], "n": [...], "correct": [...], "mean": [...], "route": [...]}

``n`` rollouts were scored, ``correct`` of them have score 1, ``mean`` is P, ``route`` names the terms that
the gate gave the question: rl, off, sft, joined by "+" (see :class:`hpt.method.gate.Coefficients`).
"""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from hpt.common.files import complete_json_lines, end_of_last_line
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
    """Add a step's line. A resumed run repeats steps: their lines, and half a line at the end, make way.

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
        file.truncate(_end_of_earlier(file, step))
        file.write(json.dumps(line).encode() + b"\n")


def _end_of_earlier(file: BinaryIO, step: int) -> int:
    """The size of the lines before ``step``. Behind them is what a killed process left: half a line, repeated steps."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = end_of_last_line(file, end - 1)
        file.seek(start)
        with contextlib.suppress(ValueError):  # half a line, which an earlier version ended and kept
            text = file.read(end - start)
            if text.endswith(b"\n") and json.loads(text)["step"] < step:
                break
        end = start
    return end


def read(folder: str | os.PathLike[str]) -> dict[int, dict[str, Any]]:
    """Return the last line of each step, in the order of the steps; half a line is left out.

    Raises:
        FileNotFoundError: the folder has none, as of a strategy that samples no rollouts.
    """
    steps = {entry["step"]: entry for entry in complete_json_lines(Path(folder) / FILE)}
    return dict(sorted(steps.items()))
