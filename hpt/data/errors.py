# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The error for training data that cannot be used, and the problems it lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpt.common.errors import HPTError

# Enough to see the pattern: one systematic mistake would otherwise print a line per question.
MAX_PROBLEMS_SHOWN = 10
PATH_ADVICE = "Expected parquet files: correct the paths."
"""In place of advice on rows where no file was found."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a data file.

    Attributes:
        path: the file, as the user named it.
        row: the row in that file, counted from 0; None if the whole file or a column is concerned.
        reason: what was found and what was expected.
    """

    path: str
    row: int | None
    reason: str

    def __str__(self) -> str:
        where = self.path if self.row is None else f"{self.path}, row {self.row}"
        return f"{where}: {self.reason}"


class PathProblem(Problem):
    """A path at which there is no file: nothing that its rows could do about it."""


class DataError(HPTError):
    """Data files that cannot be trained on.

    Args:
        problems: what is wrong, in the order of files and rows; at least one.
        advice: what the user should do about it.
    """

    def __init__(self, problems: Sequence[Problem], advice: str):
        # pickle rebuilds an exception from what is passed here, and Ray pickles the exceptions of
        # its workers: so the message is made in __str__.
        super().__init__(tuple(problems), advice)
        self.problems = tuple(problems)
        self.advice = advice

    def __str__(self) -> str:
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        rows = " (rows are counted from 0)" if any(p.row is not None for p in self.problems) else ""
        lines = [f"{count} {noun} in the data{rows}:"]
        lines += [f"  {problem}" for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        if count > MAX_PROBLEMS_SHOWN:
            lines.append(f"  ... and {count - MAX_PROBLEMS_SHOWN} more")
        only_paths = all(isinstance(problem, PathProblem) for problem in self.problems)
        return "\n".join([*lines, PATH_ADVICE if only_paths else self.advice])
