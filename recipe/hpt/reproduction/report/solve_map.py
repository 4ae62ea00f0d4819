# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Figures 3 and 4 of arXiv 2509.04419: which questions a training solves over time, and how two trainings differ.

The data are the trainings' questions.jsonl (:mod:`hpt.method.question_log`). Where questions come back in later
epochs, a row is a question and a column an epoch, as in the paper. In a single epoch each question is seen once, so a
column is a step and its rows are the questions of that step, sorted.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hpt.method import question_log
from recipe.hpt.reproduction.report.plots import Figure, drawing, svg_of
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError, label_of
from recipe.hpt.reproduction.report.series import stages_of

HERE, OTHERS = "hpt", ("grpo", "luffy")
"""The paper's methods; the difference is HPT's share minus the other's."""
EPOCH, STEP = "epoch", "step"
MAP_COLUMNS = ("method", "seed", "step", "epoch", "question", "n", "correct", "share")
DIFFERENCE_COLUMNS = ("method", "compared_with", "seed", "column", "question", "difference")
NEEDS = (
    f"questions.jsonl in the folders of trainings that sample rollouts: of {HERE} and of {' or '.join(OTHERS)}, with "
    "the same seed"
)


# Colours that the scales do not have.
NOT_SEEN = {False: "#ffffff", True: "#8c8c8c"}


class Visit(NamedTuple):
    """A question answered once: share = correct / n."""

    step: int
    epoch: int
    question: str
    n: int
    correct: int

    @property
    def share(self) -> float:
        return self.correct / self.n


def visits_of(entry: RunEntry) -> list[Visit]:
    """All questions of a run over its stages; empty where no stage has logged them.

    Raises:
        RunsError: a damaged questions.jsonl.
    """
    found: list[Visit] = []
    befores = [before for before, _ in stages_of(entry)]
    for before, folder in zip(befores, entry.training, strict=True):
        if (folder / question_log.FILE).exists():
            found += _visits(folder, before)
    return found


def _visits(folder: Path, before: int) -> list[Visit]:
    try:
        return [
            Visit(before + step, line["epoch"], str(id), int(n), int(correct))
            for step, line in question_log.read(folder).items()
            for id, n, correct in zip(line["id"], line["n"], line["correct"], strict=True)
            if n
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RunsError(
            f"got {folder / question_log.FILE}, which cannot be read ({error!r}); expected what a training logs"
        ) from None


def layout_of(visits: Sequence[Visit]) -> str:
    """``EPOCH`` where questions come back, else ``STEP``."""
    counts: dict[str, set[int]] = {}
    for visit in visits:
        counts.setdefault(visit.question, set()).add(visit.epoch)
    return EPOCH if median(map(len, counts.values())) >= 2 else STEP


def grid_of(shares: Mapping[tuple[str, int], float], layout: str) -> np.ndarray:
    """Numbers by (question, column) as a picture; NaN where a question was not seen.

    By epoch there is a row per question, those with the lowest mean first. By step every column is sorted by itself,
    the lowest first.
    """
    frame = pd.Series(dict(shares)).unstack()
    if layout == STEP:  # NaN is sorted to the end.
        return np.sort(frame.to_numpy(), axis=0)[: frame.count().max()]
    return frame.loc[frame.mean(axis=1).sort_values(kind="stable").index].to_numpy()


def _shares(visits: Sequence[Visit], layout: str) -> dict[tuple[str, int], float]:
    """(question, epoch or step) -> share; where a question is seen twice there, the later one counts."""
    at = (lambda visit: visit.epoch) if layout == EPOCH else (lambda visit: visit.step)
    return {(visit.question, at(visit)): visit.share for visit in visits}


def solve_map_figures(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 3, a map per method, and Figure 4, HPT minus each other method, for the lowest seed that they share."""
    seed, visits = _chosen(entries)
    keys = f"figure3_{slug}", f"figure4_{slug}"
    titles = (
        f"Figure 3: solved questions, {model}",
        f"Figure 4: difference in solved questions, {model}",
    )
    captions = (
        "Share of a question's rollouts that are correct. White cells have no question.",
        f"Share of a question's rollouts that are correct, {label_of(HERE)} minus the other method, on the same "
        "questions. Grey cells have no question that both saw.",
    )
    if seed is None:
        return [
            Figure(key, title, caption, missing=f"It needs {NEEDS}.")
            for key, title, caption in zip(keys, titles, captions, strict=True)
        ]
    layout = layout_of(visits[HERE])
    shares = {method: _shares(each, layout) for method, each in visits.items()}
    notes = [f"Seed {seed}.", _layout_note(layout)]
    maps = Figure(
        keys[0], titles[0], captions[0], MAP_COLUMNS, _map_rows(visits, seed),
        _drawn({label_of(m): grid_of(each, layout) for m, each in shares.items()}, layout, False),
        notes=notes,
    )  # fmt: skip
    differences = {
        other: {key: value - of[key] for key, value in shares[HERE].items() if key in of}
        for other, of in shares.items()
        if other != HERE
    }
    common = {other: each for other, each in differences.items() if each}
    if not common:
        needs = f"It needs trainings on the same questions in the same {layout}; these have none in common."
        return [maps, Figure(keys[1], titles[1], captions[1], missing=needs)]
    drawn = {f"{label_of(HERE)} - {label_of(m)}": grid_of(each, layout) for m, each in common.items()}
    rows = [row for m, each in common.items() for row in _difference_rows(m, seed, each)]
    notes = [*notes, *_in_common(common, shares[HERE])]
    picture = _drawn(drawn, layout, True)
    return [
        maps,
        Figure(
            keys[1], titles[1], captions[1], DIFFERENCE_COLUMNS, rows, picture, notes=notes
        ),
    ]  # fmt: skip


def _chosen(entries: Sequence[RunEntry]) -> tuple[int | None, dict[str, list[Visit]]]:
    """The lowest seed that HPT shares with another method, and the questions of each method with that seed."""
    for seed in sorted({entry.seed for entry in entries if entry.method == HERE}):
        of_seed = {entry.method: entry for entry in entries if entry.seed == seed}
        found = {method: visits_of(of_seed[method]) for method in (HERE, *OTHERS) if method in of_seed}
        found = {method: visits for method, visits in found.items() if visits}
        if HERE in found and len(found) > 1:
            return seed, found
    return None, {}


def _layout_note(layout: str) -> str:
    if layout == EPOCH:
        return "Each row is a question; those with the lowest mean are at the top."
    return "Hardly any question comes back, so each column is a step with its questions sorted, the lowest at the top."


def _in_common(
    common: Mapping[str, Mapping[tuple[str, int], float]], mine: Mapping[tuple[str, int], float]
) -> list[str]:
    return [
        f"{label_of(other)}: {len(each)} of {label_of(HERE)}'s {len(mine)} answers are to the same questions at the "
        f"same time; the mean difference is {sum(each.values()) / len(each):+.3f}."
        for other, each in common.items()
    ]


def _map_rows(visits: Mapping[str, Sequence[Visit]], seed: int) -> list[dict[str, Any]]:
    return [
        {"method": method, "seed": seed, **visit._asdict(), "share": visit.share}
        for method, of_method in visits.items()
        for visit in of_method
    ]


def _difference_rows(other: str, seed: int, differences: Mapping[tuple[str, int], float]) -> list[dict[str, Any]]:
    return [
        {
            "method": HERE, "compared_with": other, "seed": seed, "column": place,
            "question": question, "difference": value,
        }
        for (question, place), value in differences.items()
    ]  # fmt: skip


def _drawn(grids: Mapping[str, np.ndarray], layout: str, is_difference: bool) -> bytes:
    """Draw pictures side by side with one scale of colours, which keeps its order in grey."""
    from matplotlib import pyplot

    limits = (-1.0, 1.0) if is_difference else (0.0, 1.0)
    # Colour-blind readers can read both scales. The white middle of PuOr means no difference.
    colours = pyplot.get_cmap("PuOr" if is_difference else "cividis").copy()
    colours.set_bad(NOT_SEEN[is_difference])
    with drawing(len(grids), len(grids), width=3.7, height=3.4) as (figure, axes):
        for axis, (label, grid) in zip(axes, grids.items(), strict=True):
            picture = axis.imshow(
                grid, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto",
                interpolation="nearest",
            )  # fmt: skip
            axis.set(title=label, xlabel="epoch" if layout == EPOCH else "training step")
            _whole_ticks(axis, grid.shape[1], first=0 if layout == EPOCH else 1)
        axes[0].set_ylabel("questions" if layout == EPOCH else "questions of the step, sorted")
        bar = figure.colorbar(picture, ax=axes, shrink=0.85)
        bar.set_label("difference of shares" if is_difference else "share of rollouts correct")
        return svg_of(figure)


def _whole_ticks(axis: Any, columns: int, first: int) -> None:
    """Put ticks at whole columns and label the first column ``first``."""
    step = max(1, -(-columns // 6))
    places = list(range(0, columns, step))
    axis.set_xticks(places, [str(first + place) for place in places])
