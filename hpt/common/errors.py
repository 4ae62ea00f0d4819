# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One hierarchy for mistakes that the user has to correct.

Every message says what it got, what it expected and what to do. Commands print the message alone and exit with
status 2, or 1 for a :class:`RunError`. Packages derive their own errors from :class:`HPTError` where a caller needs to
tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Enough to show a pattern: one systematic mistake would otherwise print a line per question.
MAX_PROBLEMS_SHOWN = 10
# Replaces the advice about rows where no file was found.
_PATH_ADVICE = "Expected parquet files: correct the paths."


class HPTError(ValueError):
    """A mistake in what the user gave; commands print its message alone and exit with status 2."""

    status = 2


class RunError(HPTError):
    """A run that failed for a reason that its message names; the command exits with status 1."""

    status = 1


class ConfigError(HPTError):
    """A setting that the user has to change."""


class SourceError(HPTError):
    """Input data that cannot be read or that lacks a column; the message names it and says what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data file.

    Attributes:
        path: the file, as the user named it.
        row: the row in that file, counted from 0; None if the problem concerns the whole file or a column.
        reason: what was found and what was expected.
    """

    path: str
    row: int | None
    reason: str

    def __str__(self) -> str:
        where = self.path if self.row is None else f"{self.path}, row {self.row}"
        return f"{where}: {self.reason}"


class PathProblem(Problem):
    """A path where there is no file, so that advice about rows would not help."""


class DataError(HPTError):
    """Data files that cannot be trained on.

    Args:
        problems: what is wrong, in the order of files and rows; at least one.
        advice: what the user should do about it.
    """

    def __init__(self, problems: Sequence[Problem], advice: str):
        # Ray pickles its workers' exceptions, and pickle rebuilds one from these arguments: __str__ makes the message.
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
        return "\n".join([*lines, _PATH_ADVICE if only_paths else self.advice])


def first_line(error: Exception, longest: int = 200) -> str:
    """The first line of another library's message, without its full stop, in at most ``longest`` characters."""
    text = str(error).strip().split("\n", maxsplit=1)[0].rstrip(".")
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
