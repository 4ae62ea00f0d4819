# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a map shows: accuracy of each method in each cell, paired differences, costs. Tables and data; no drawing.

A run that is missing or failed is named in its place, and no mean is taken over the seeds that are left: a mean over
other seeds would move with the seeds. A method that reads no demonstration has the same figures in every cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from rich.table import Table

from recipe.hpt.reproduction.cells import demonstrations_of
from recipe.hpt.reproduction.methods import BASE, LEADERBOARD, METHODS
from recipe.hpt.reproduction.paper.sft_then_rl import training_flops
from recipe.hpt.reproduction.report.statistics import Difference, Value, difference_of, value_of
from recipe.hpt.reproduction.report.study import Outcome, groups_of, mean_over

MISSING, FAILED = "missing", "failed"
UNMIXED = ("sft", "grpo", "sft_grpo")
"""What a method that mixes has to beat, with the same questions."""
QUANTITIES = {
    "in": "levels 1 to 6 (in distribution)",
    "out": "level 7 (out of distribution)",
    "ood_level": "levels 8 and 9 (longer questions)",
    "ood_notation": "levels 1 to 6 in an unseen notation",
    "kept": "levels 1 and 2 (which the base model solves)",
}
KEPT = (1, 2)
COLUMNS = (
    "cell", "wrong", "coverage", "style", "method", "seed", *QUANTITIES, "questions", "demonstrations",
    "tokens_trained", "tokens_sampled", "flops", "seconds", "runs",
)  # fmt: skip


@dataclass(frozen=True)
class CellMap:
    """The final runs of a map.

    Attributes:
        outcomes: the finished ones, by method, cell and seed.
        cells: the cells in their order; the first one has the methods that read no demonstration.
        seeds: the seeds that each figure needs.
        methods: the methods asked for, in the order of ``METHODS``.
        failed: (method, cell, seed) of a run whose last launch ended without a result.
        parameters: of the model, for its FLOPs.
        training_levels: levels in distribution.
    """

    outcomes: Mapping[tuple[str, str, int], Outcome]
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    methods: tuple[str, ...]
    failed: frozenset[tuple[str, str, int]]
    parameters: int
    training_levels: tuple[int, ...]

    def of(self, method: str, cell: str) -> list[Outcome] | str:
        """The outcomes of all seeds, or why there is no figure."""
        cell = cell if METHODS[method].reads_demonstrations else self.cells[0]
        keys = [(method, cell, seed) for seed in self.seeds]
        if any(key in self.failed for key in keys):
            return FAILED
        if any(key not in self.outcomes for key in keys):
            return MISSING
        return [self.outcomes[key] for key in keys]

    def begun(self) -> "CellMap":
        """The map without the methods and the cells that have nothing to show yet (:meth:`not_begun` names them)."""
        reading = [method for method in self.methods if METHODS[method].reads_demonstrations]
        return replace(
            self,
            methods=tuple(one for one in self.methods if any(self.of(one, cell) != MISSING for cell in self.cells)),
            # GRPO and the base model have their figures in the first one.
            cells=tuple(
                cell
                for cell in self.cells
                if cell == self.cells[0] or any(self.of(one, cell) != MISSING for one in reading)
            ),
        )

    def mapped(self) -> "CellMap":
        """The map without the methods of the leaderboards, and without SFT's faults."""
        left = (name for name in self.methods if name not in LEADERBOARD and METHODS[name].sound is None)
        return replace(self, methods=tuple(left))

    def not_begun(self) -> list[str]:
        """A sentence on the methods and cells that have nothing to show yet; none if there are none."""
        left = self.begun()
        methods = [METHODS[method].label for method in self.methods if method not in left.methods]
        cells = [title_of(cell) for cell in self.cells if cell not in left.cells]
        named = [", ".join(methods)] * bool(methods) + [f"the cells {'; '.join(cells)}"] * bool(cells)
        return [f"Not run on all seeds yet, and so not shown: {'; '.join(named)}."] if named else []

    def quantity(self, outcome: Outcome, name: str) -> float:
        """One of ``QUANTITIES``, the mean over its levels."""
        if name in outcome.sets:
            return fmean(outcome.sets[name].values())
        groups = groups_of(outcome.accuracy, self.training_levels)
        inside, outside, _ = groups.values()
        mean = mean_over(outcome.accuracy, {"in": inside, "out": outside, "kept": KEPT}[name])
        assert mean is not None
        return mean

    def flops(self, outcome: Outcome) -> float:
        return training_flops(self.parameters, outcome.tokens_trained, outcome.tokens_sampled)

    def value(self, method: str, cell: str, name: str = "in") -> Value | str:
        """Mean and standard error over all seeds, or why there is none."""
        found = self.of(method, cell)
        return found if isinstance(found, str) else value_of([self.quantity(each, name) for each in found])

    def difference(self, method: str, other: str, cell: str, name: str = "in") -> Difference | str:
        """How much better ``method`` is than ``other``, paired by seeds, or why that is not known."""
        ours, theirs = self.of(method, cell), self.of(other, cell)
        if isinstance(ours, str) or isinstance(theirs, str):
            return ours if isinstance(ours, str) else str(theirs)
        pairs = zip(ours, theirs, strict=True)
        return difference_of([self.quantity(one, name) - self.quantity(two, name) for one, two in pairs])

    def best(self, cell: str, among: Iterable[str], name: str = "in") -> str | None:
        """The method with the highest mean among those whose runs have all finished."""
        values = {method: self.value(method, cell, name) for method in among}
        means = {method: value.mean for method, value in values.items() if isinstance(value, Value)}
        return max(means, key=lambda method: means[method]) if means else None

    def rows(self) -> list[dict[str, Any]]:
        """A row per finished method, cell and seed (``COLUMNS``)."""
        return [self._row(outcome) for outcome in self.outcomes.values()]

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        like = demonstrations_of(outcome.cell)
        names = [name for name in QUANTITIES if not name.startswith("ood") or name in outcome.sets]
        return {
            "cell": title_of(outcome.cell),
            "wrong": like.wrong_step,
            "coverage": like.coverage,
            "style": like.style,
            "method": outcome.method,
            "seed": outcome.seed,
            **{name: self.quantity(outcome, name) for name in names},
            "questions": outcome.questions,
            "demonstrations": outcome.demonstrations,
            "tokens_trained": outcome.tokens_trained,
            "tokens_sampled": outcome.tokens_sampled,
            "flops": self.flops(outcome),
            "seconds": round(outcome.seconds),
            "runs": " ".join(outcome.runs),
        }


def title_of(cell: str) -> str:
    """A cell in words."""
    like = demonstrations_of(cell)
    parts = []
    if like.wrong_step:
        parts.append(f"{like.wrong_step:.0%} wrong")
    if like.coverage < 1:
        parts.append(f"{like.coverage:.0%} covered")
    if like.style != "model":
        parts.append(f"{like.style} style")
    return ", ".join(parts) or "flawless"


# ---- tables ----


def accuracy_by_cell(found: CellMap, cells: Sequence[str], name: str = "in") -> Table:
    """Accuracy of each method (rows) in some cells (columns)."""
    table = Table("method")
    for cell in cells:
        table.add_column(title_of(cell), justify="right")
    for method in found.methods:
        table.add_row(METHODS[method].label, *(str(found.value(method, cell, name)) for cell in cells))
    return table


def verdicts(found: CellMap, cells: Sequence[str]) -> Table:
    """Per cell: the best method that mixes beside the best that does not, and their paired difference.

    Both are the best of those that have finished there with the same questions, so the interval does not cover the
    choice of the two.
    """
    table = Table("demonstrations", "best without mixing", "best that mixes", "difference")
    equal = [method for method in found.methods if method != BASE and METHODS[method].has_equal_questions]
    mixing = [method for method in equal if METHODS[method].mixes]
    unmixed = [method for method in equal if not METHODS[method].mixes]
    for cell in cells:
        one, other = found.best(cell, unmixed), found.best(cell, mixing)
        if one is None or other is None:
            table.add_row(title_of(cell), *["-"] * 3)
        else:
            table.add_row(
                title_of(cell), METHODS[one].label, METHODS[other].label, str(found.difference(other, one, cell))
            )
    return table


def differences(found: CellMap, pairs: Sequence[tuple[str, str]], cells: Sequence[str]) -> Table:
    """One method against another, for each pair: paired difference with its 95 % interval. Only cells that have one."""
    table = Table("demonstrations", *(f"{METHODS[one].label} - {METHODS[other].label}" for one, other in pairs))
    for cell in cells:
        measured = [found.difference(one, other, cell) for one, other in pairs]
        if any(each != MISSING for each in measured):
            table.add_row(title_of(cell), *map(str, measured))
    return table


def leaderboard(found: CellMap, cell: str, passes: Mapping[tuple[str, str, int], Mapping[int, float]]) -> Table:
    """Every method in one cell: accuracy, pass@k and what it cost, means over the seeds.

    Args:
        passes: (method, cell, seed) -> k -> pass@k on the test set.
    """
    ks = sorted({k for each in passes.values() for k in each})
    table = Table("method", *QUANTITIES.values(), *(f"pass@{k}" for k in ks))
    for title in ("demonstrations", "sampled tokens", "GFLOPs", "seconds"):
        table.add_column(title, justify="right")
    for method in found.methods:
        outcomes = found.of(method, cell)
        if outcomes == MISSING and METHODS[method].sound is not None:  # faults are measured where somebody asks
            continue
        if isinstance(outcomes, str):
            table.add_row(METHODS[method].label, outcomes, *[""] * (len(table.columns) - 2))
            continue
        values = [value_of([found.quantity(each, name) for each in outcomes]) for name in QUANTITIES]
        sampled = [passes.get((method, each.cell, each.seed)) for each in outcomes]
        complete = [each for each in sampled if each is not None]
        has_all = len(complete) == len(outcomes)
        table.add_row(
            METHODS[method].label,
            *map(str, values),
            *(f"{fmean(each[k] for each in complete):.3f}" if has_all else MISSING for k in ks),
            f"{fmean(each.demonstrations for each in outcomes):.0f}",
            f"{fmean(each.tokens_sampled for each in outcomes):.0f}",
            f"{fmean(map(found.flops, outcomes)) / 1e9:.0f}",
            f"{fmean(each.seconds for each in outcomes):.0f}",
        )
    return table
