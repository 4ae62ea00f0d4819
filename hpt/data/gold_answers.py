# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Finds gold answers that no verifier can compare with; responses to their questions would always be scored 0."""

import sys
from collections.abc import Iterable, Sequence

from hpt.common.errors import Problem
from hpt.data.checks import iter_rows
from hpt.verifier.gold import gold_problems
from hpt.verifier.kinds import available
from hpt.verifier.pool import DEFAULT_WORKERS

DEFAULT_KIND = "math"
"""The kind of rows that name no verifier_kind."""
UNVERIFIABLE = "gold answer cannot be verified"
ADVICE = (
    "The verifier must understand a gold answer: correct these rows or leave them out "
    "(hpt data prepare does so with --unverifiable drop)."
)
# With fewer distinct answers the verifier takes seconds, and a progress bar only fills the log.
PROGRESS_BAR_ANSWERS = 2000

GoldAnswer = tuple[str, str]
"""(answer, verifier_kind)"""


def unverifiable(
    answers: Iterable[GoldAnswer], *, workers: int = DEFAULT_WORKERS, progress: bool = True
) -> dict[GoldAnswer, str]:
    """Why gold answers cannot be verified; each distinct one is checked once.

    Args:
        answers: their kinds are among `hpt.verifier.kinds.available()`.
        workers: verifier processes, if any is needed.
        progress: show a progress bar.

    Returns:
        Unverifiable answer -> reason.
    """
    distinct = list(dict.fromkeys(answers))
    reasons = gold_problems(distinct, workers=workers, progress=progress)
    return {answer: why for answer, why in zip(distinct, reasons, strict=True) if why is not None}


def read_gold_answers(path: str) -> tuple[list[tuple[int, GoldAnswer]], list[Problem]]:
    """Read the gold answers of a question file that has passed `hpt.data.checks`.

    Returns:
        (row, answer) for every row of a known kind; problems with unknown kinds and repeated ids.
    """
    answers: list[tuple[int, GoldAnswer]] = []
    problems: list[Problem] = []
    first_row: dict[str, int] = {}
    for row, values in iter_rows(path, ["reward_model", "extra_info"]):
        info = values.get("extra_info") or {}
        if not isinstance(info, dict):
            problems.append(Problem(path, row, "extra_info is no struct, expected fields"))
            info = {}
        kind = info.get("verifier_kind") or DEFAULT_KIND
        if kind in available():
            answers.append((row, (values["reward_model"]["ground_truth"], kind)))
        else:
            expected = ", ".join(available())
            problems.append(Problem(path, row, f"unknown verifier_kind {kind!r}, expected one of {expected}"))
        name = info.get("id")
        if name is not None and (earlier := first_row.setdefault(str(name), row)) != row:
            problems.append(Problem(path, row, f"id {name!r} is that of row {earlier}, too"))
    return answers, problems


def gold_answer_problems(
    paths: Sequence[str], *, gold: bool = True, workers: int = DEFAULT_WORKERS, progress: bool | None = None
) -> list[Problem]:
    """Unknown kinds, repeated ids and unverifiable gold answers, in the order of files and rows.

    Args:
        paths: question files that have passed `hpt.data.checks`.
        gold: check the gold answers, too.
        workers: verifier processes, if any is needed.
        progress: show a progress bar; None: on a terminal, or if there is much to do.
    """
    read = {path: read_gold_answers(path) for path in paths}
    distinct = {answer for answers, _ in read.values() if gold for _, answer in answers}
    if progress is None:
        progress = sys.stderr.isatty() or len(distinct) >= PROGRESS_BAR_ANSWERS
    why = unverifiable(sorted(distinct), workers=workers, progress=progress)
    found: list[Problem] = []
    for path, (answers, problems) in read.items():
        bad = [
            Problem(path, row, f"the gold answer {_shown(each)} cannot be verified: {why[each]}")
            for row, each in answers
            if each in why
        ]
        found += sorted([*problems, *bad], key=lambda problem: problem.row or 0)
    return found


def detail(answer: GoldAnswer, why: str) -> str:
    """An unverifiable gold answer, shortened, and the reason; it follows `UNVERIFIABLE`."""
    return f"{_shown(answer)}: {why}"


def _shown(answer: GoldAnswer) -> str:
    return repr(answer[0] if len(answer[0]) <= 80 else answer[0][:77] + "...")
