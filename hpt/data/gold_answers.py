# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gold answers that nothing can verify, found before they are scored 0 for ever."""

import sys
from collections.abc import Iterable, Sequence

from hpt.common.errors import Problem
from hpt.data.checks import iter_rows
from hpt.verifier.gold import gold_problems
from hpt.verifier.kinds import available
from hpt.verifier.pool import DEFAULT_WORKERS

DEFAULT_KIND = "math"
"""Of rows that name no verifier_kind."""
ADVICE = (
    "A gold answer has to be one that the verifier understands: correct these rows or leave them out "
    "(hpt data prepare does so with --unverifiable drop)."
)

# Below this the verifier takes seconds, and a progress bar is noise in the log.
PROGRESS_BAR_GOLDS = 2000

Gold = tuple[str, str]


def unverifiable(golds: Iterable[Gold], *, workers: int = DEFAULT_WORKERS, progress: bool = True) -> dict[Gold, str]:
    """Why gold answers cannot be verified; each distinct one is looked at once.

    Args:
        golds: (answer, kind), the kind one of `hpt.verifier.kinds.available()`.
        workers: verifier processes, where any is needed.
        progress: show a progress bar.

    Returns:
        (answer, kind) -> the reason, of those that cannot.
    """
    distinct = list(dict.fromkeys(golds))
    reasons = gold_problems(distinct, workers=workers, progress=progress)
    return {gold: why for gold, why in zip(distinct, reasons, strict=True) if why is not None}


def read_gold_answers(path: str) -> tuple[list[tuple[int, Gold]], list[Problem]]:
    """The gold answers of a question file that has passed `hpt.data.checks`, and what is wrong with kinds and ids.

    Returns:
        (row, (answer, kind)) of every row whose kind is known; the problems: unknown kinds, ids that occur twice.
    """
    golds: list[tuple[int, Gold]] = []
    problems: list[Problem] = []
    first_row: dict[str, int] = {}
    for row, values in iter_rows(path, ["reward_model", "extra_info"]):
        info = values.get("extra_info") or {}
        if not isinstance(info, dict):
            problems.append(Problem(path, row, "extra_info is no struct, expected fields"))
            info = {}
        kind = info.get("verifier_kind") or DEFAULT_KIND
        if kind in available():
            golds.append((row, (values["reward_model"]["ground_truth"], kind)))
        else:
            expected = ", ".join(available())
            problems.append(Problem(path, row, f"unknown verifier_kind {kind!r}, expected one of {expected}"))
        name = info.get("id")
        if name is not None:
            earlier = first_row.setdefault(str(name), row)
            if earlier != row:
                problems.append(Problem(path, row, f"id {name!r} is that of row {earlier}, too"))
    return golds, problems


def gold_answer_problems(
    paths: Sequence[str],
    *,
    gold: bool = True,
    workers: int = DEFAULT_WORKERS,
    progress: bool | None = None,
) -> list[Problem]:
    """Unknown kinds, repeated ids and gold answers that cannot be verified, in the order of files and rows.

    Args:
        paths: question files that have passed `hpt.data.checks`.
        gold: look at gold answers, too.
        workers: verifier processes, where any is needed.
        progress: show a progress bar; None: on a terminal, or if there is much to do.
    """
    read = {path: read_gold_answers(path) for path in paths}
    distinct = {answer for golds, _ in read.values() if gold for _, answer in golds}
    if progress is None:
        progress = sys.stderr.isatty() or len(distinct) >= PROGRESS_BAR_GOLDS
    why = unverifiable(sorted(distinct), workers=workers, progress=progress)
    found: list[Problem] = []
    for path, (golds, problems) in read.items():
        bad = [Problem(path, row, _reason(each, why[each])) for row, each in golds if each in why]
        found += sorted([*problems, *bad], key=lambda problem: problem.row or 0)
    return found


def _reason(gold: Gold, why: str) -> str:
    answer = gold[0] if len(gold[0]) <= 80 else gold[0][:77] + "..."
    return f"the gold answer {answer!r} cannot be verified: {why}"
