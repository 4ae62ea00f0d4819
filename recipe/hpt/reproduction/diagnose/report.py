# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What one call of the command found, and the files it is written to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas

from hpt.common.files import write_json
from recipe.hpt.reproduction.diagnose.claims import Claim
from recipe.hpt.reproduction.diagnose.figure import OFF, ON, figure_rows, plot
from recipe.hpt.reproduction.diagnose.results import Diagnosis


@dataclass(frozen=True)
class Report:
    """What one call of the command found.

    Attributes:
        settings: option -> value.
        seconds: part of the work -> how long it took.
        on_policy, off_policy: diagnoses on rollouts of the model, and of the policy it was before.
        claims: the paper's arguments, compared with these numbers.
    """

    settings: dict[str, str]
    seconds: dict[str, float]
    on_policy: Diagnosis
    off_policy: Diagnosis
    claims: Sequence[Claim]

    @property
    def pools(self) -> dict[str, Diagnosis]:
        """Name of the pool -> its diagnosis."""
        return {ON: self.on_policy, OFF: self.off_policy}


def write(report: Report, folder: Path) -> list[Path]:
    """Write the report to a folder.

    Returns:
        The paths: diagnosis.json with everything, .csv with what the figure shows, .png and .svg.
    """
    paths = [folder / f"diagnosis.{ending}" for ending in ("json", "csv", "png", "svg")]
    write_json(paths[0], asdict(report))
    pandas.DataFrame(figure_rows(report.pools)).to_csv(paths[1], index=False)
    plot(report.pools, paths[2:])
    return paths
