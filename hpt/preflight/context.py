# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What checks hand on to later ones, and how they are run: all of them, whatever fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from hpt.preflight.memory import Estimate
from hpt.preflight.model import ModelSizes
from hpt.preflight.table import Check, Status, failed, not_checked


@dataclass
class Context:
    """What the checks have found so far.

    Attributes:
        config: the composed configuration; the first checks complete it.
        requirements: folder with the pinned versions.
        model: folder of the model; None: a hub id that is not on this machine.
        sizes, tokenizer, estimate: of the model, once they are known.
        questions: number of training questions.
        notes: what is printed under the table.
    """

    config: DictConfig
    requirements: Path
    model: Path | None = None
    sizes: ModelSizes | None = None
    tokenizer: Any = None
    estimate: Estimate | None = None
    questions: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def on_cpu(self) -> bool:
        return self.config.trainer.device == "cpu"


@dataclass(frozen=True)
class Step:
    """A check and the checks whose ground it stands on.

    Attributes:
        name: of its lines in the table.
        run: raises ValueError, or returns its lines.
        needs: names of steps; unless all of them went well, this one is not run.
    """

    name: str
    run: Callable[[Context], Sequence[Check]]
    needs: tuple[str, ...] = ()


def run_steps(steps: Sequence[Step], context: Context) -> list[Check]:
    """Run every step whose ground holds; one that fails does not keep others from running."""
    lines: list[Check] = []
    broken: set[str] = set()
    for step in steps:
        missing = [name for name in step.needs if name in broken]
        if missing:
            found: Sequence[Check] = [not_checked(step.name, missing)]
        else:
            try:
                found = step.run(context)
            except (ValueError, OSError, OmegaConfBaseException) as error:
                found = [failed(step.name, str(error))]
        if any(line.status in (Status.FAIL, Status.NOT_CHECKED) for line in found):
            broken.add(step.name)
        lines += found
    return lines
