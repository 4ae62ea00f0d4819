# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Finds gold answers that no verifier can compare with; responses to their questions would always be scored 0."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hpt.common.errors import Problem, SourceError
from hpt.data.checks import iter_rows
from hpt.data.sources import open_source
from hpt.verifier.gold import gold_problems, kind_of_gold
from hpt.verifier.kinds import available
from hpt.verifier.pool import DEFAULT_WORKERS

POLICIES = ("fail", "keep", "drop")
"""What becomes of questions with an unverifiable gold answer: the data is refused; they stay; they are left out."""
DEFAULT_KIND = "math"
"""The kind of rows that name no verifier_kind."""
UNVERIFIABLE = "gold answer cannot be verified"
ADVICE = (
    "The verifier must understand a gold answer: correct these rows, leave them out (hpt data prepare does so with "
    "--unverifiable drop), or keep them with data.unverifiable=keep: only an answer in the same notation is right then."
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
            Problem(path, row, f"the gold answer {shortened(each[0])} cannot be verified: {why[each]}")
            for row, each in answers
            if each in why
        ]
        found += sorted([*problems, *bad], key=lambda problem: problem.row or 0)
    return found


def gold_answer_of(row: Mapping[str, Any]) -> GoldAnswer:
    """The gold answer of a question file's row, and its kind.

    Raises:
        ValueError: it is neither text nor a number.
    """
    return _text((row["reward_model"] or {}).get("ground_truth")), kind_of_row(row)


def kind_of_row(row: Mapping[str, Any]) -> str:
    """The row's verifier_kind, or the default."""
    info = row.get("extra_info")
    return (info.get("verifier_kind") if isinstance(info, dict) else None) or DEFAULT_KIND


def _text(answer: object) -> str:
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or answer != answer:  # NaN
        raise ValueError(f"got the gold answer {answer!r}; expected text or a number")
    return str(answer)


def iter_gold_answers(path: str, column: str = "answer") -> Iterator[GoldAnswer]:
    """The gold answers of a question file, or of any table with a column of answers (kind ``math``).

    Raises:
        SourceError: the file cannot be read, lacks the column, or has a row whose answer is neither text nor number.
    """
    if os.path.isdir(os.path.expanduser(path)):
        raise SourceError(f"got the folder {path}; expected a file of questions")
    source = open_source(path)
    prepared = "reward_model" in source.columns
    wanted = ["reward_model", *({"extra_info"} & source.columns)] if prepared else [column]
    source.require(wanted)
    for number, row in enumerate(source.rows(wanted)):
        try:
            yield gold_answer_of(row) if prepared else (_text(row[column]), DEFAULT_KIND)
        except ValueError as error:
            raise SourceError(f"{path}, row {number}: {error}") from None


def by_comparison(answers: Iterable[GoldAnswer]) -> dict[str, Counter[GoldAnswer]]:
    """Gold answers by how they are compared: exact, text, unverifiable, or own (a registered function)."""
    found: dict[str, Counter[GoldAnswer]] = {name: Counter() for name in ("exact", "text", "unverifiable", "own")}
    for answer, count in Counter(answers).items():
        found[kind_of_gold(*answer) or "own"][answer] += count
    return {name: counts for name, counts in found.items() if counts}


def described(found: dict[str, Counter[GoldAnswer]]) -> str:
    """The counts in one line: "7 exact, 2 text"."""
    return ", ".join(f"{counts.total():,} {name}" for name, counts in found.items())


def detail(answer: GoldAnswer, why: str) -> str:
    """An unverifiable gold answer, shortened, and the reason; it follows `UNVERIFIABLE`."""
    return f"{shortened(answer[0])}: {why}"


def shortened(answer: str) -> str:
    """A gold answer for a message."""
    return repr(answer if len(answer) <= 80 else answer[:77] + "...")
