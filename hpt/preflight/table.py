# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The table of checks: its lines, the steps that make them, and how it is printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.table import Table
from rich.text import Text

from hpt.common.errors import ConfigError, HPTError, first_line
from hpt.common.terminal import rendered
from hpt.preflight.model import ModelSizes

PIPE_WIDTH = 160  # columns, if the output is no terminal


class Status(Enum):
    """The result of a check."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    NOT_CHECKED = "not checked"


_STYLES = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.NOT_CHECKED: "dim"}


@dataclass(frozen=True)
class Check:
    """A line of the table.

    Attributes:
        name: what was looked at.
        status: the result.
        found: what is there.
        advice: what to do; empty if there is nothing to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def passed(name: str, found: str) -> Check:
    return Check(name, Status.PASS, found)


def warned(name: str, found: str, advice: str = "") -> Check:
    return Check(name, Status.WARN, found, advice)


def failed(name: str, found: str, advice: str = "") -> Check:
    return Check(name, Status.FAIL, found, advice)


@dataclass
class Context:
    """What the checks have found so far; each may add to it.

    Attributes:
        config: the composed configuration; the first checks complete it.
        model: folder of the model; None: a hub id that is not on this machine.
        sizes, tokenizer: those of the model, once they are known.
        questions: number of training questions.
        notes: what is printed under the table.
    """

    config: DictConfig
    model: Path | None = None
    sizes: ModelSizes | None = None
    tokenizer: Any = None
    questions: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def on_cpu(self) -> bool:
        return self.config.trainer.device == "cpu"


@dataclass(frozen=True)
class Step:
    """A check and the checks that it builds on.

    Attributes:
        name: name of its lines in the table.
        run: raises ValueError, or returns its lines.
        needs: names of earlier steps; unless all of them went well, this one is not run.
    """

    name: str
    run: Callable[[Context], Sequence[Check]]
    needs: tuple[str, ...] = ()


def run_steps(steps: Sequence[Step], context: Context) -> list[Check]:
    """Run every step whose ``needs`` went well, and return the lines of all steps."""
    lines: list[Check] = []
    broken: set[str] = set()
    for step in steps:
        missing = [name for name in step.needs if name in broken]
        if missing:
            found: Sequence[Check] = [Check(step.name, Status.NOT_CHECKED, f"needs: {', '.join(missing)}")]
        else:
            try:
                found = step.run(context)
            except (ValueError, OSError, OmegaConfBaseException) as error:
                found = [failed(step.name, _said(error))]
        if any(line.status in (Status.FAIL, Status.NOT_CHECKED) for line in found):
            broken.add(step.name)
        lines += found
    return lines


def _said(error: Exception) -> str:
    """What went wrong; OmegaConf adds lines on its own objects."""
    return first_line(error) if isinstance(error, OmegaConfBaseException) else str(error)


def sentence(line: Check) -> str:
    """A line of the table as one sentence for the terminal."""
    text = f"{line.found}; {line.advice}" if line.advice else line.found
    return text if text.startswith("got ") else f"{line.name}: {text}"


def require_steps(steps: Sequence[Step], context: Context) -> list[Check]:
    """Run the steps until one fails; returns the lines of all. What a table shows as failed is an error here.

    Raises:
        HPTError: what the step raised, or a ConfigError with the step's failed lines.
    """
    lines: list[Check] = []
    unchecked: set[str] = set()
    for step in steps:
        if unchecked.intersection(step.needs):
            unchecked.add(step.name)
            continue
        try:
            found = step.run(context)
        except HPTError:
            raise
        except (ValueError, OSError, OmegaConfBaseException) as error:
            raise ConfigError(f"{step.name}: {_said(error)}") from error
        if problems := [sentence(line) for line in found if line.status is Status.FAIL]:
            raise ConfigError("; ".join(problems))
        if any(line.status is Status.NOT_CHECKED for line in found):
            unchecked.add(step.name)
        lines += found
    return lines


def exit_status(checks: Sequence[Check]) -> int:
    """0 if nothing failed, else 2."""
    return 2 if any(check.status is Status.FAIL for check in checks) else 0


def print_checks(checks: Sequence[Check], notes: Sequence[str]) -> None:
    """Print the table, the notes under it and a last line with the number of checks of each status."""
    table = Table(show_edge=False)
    for column in ("check", "", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(check.status.value, style=_STYLES[check.status]), check.found, check.advice)
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    summary = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    print(rendered(table, markdown=False, pipe_width=PIPE_WIDTH), *notes, f"pre-flight: {summary}", sep="\n\n")
