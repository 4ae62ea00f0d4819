# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A map's figures, against numbers worked out by hand."""

import csv
import io
import math

import pytest

from hpt.common.terminal import rendered
from recipe.hpt.reproduction.cells import cell_of, map_cells
from recipe.hpt.reproduction.report import cell_figures, cell_map, study
from recipe.hpt.reproduction.report.cell_map import CellMap
from recipe.hpt.reproduction.report.statistics import difference_of

FLAWLESS, WRONG = "", cell_of(0.3, 1.0)
METHODS = ("base", "sft", "grpo", "sft_grpo", "hpt")


def outcome(method, cell, seed, inside, **changes):
    accuracy = {level: inside for level in range(1, 7)} | {7: 0.1}
    values = {
        "sets": {"ood_level": {8: 0.2, 9: 0.0}, "ood_notation": dict.fromkeys(range(1, 7), 0.3)},
        "questions": 8, "tokens_trained": 10, "tokens_sampled": 6, "demonstrations": 4,
        "runs": [f"{method}-{seed}"], **changes,
    }  # fmt: skip
    return study.Outcome(method, seed, accuracy, cell=cell, **values)


def made(outcomes, failed=(), cells=(FLAWLESS, WRONG), seeds=(0, 1), methods=METHODS):
    found = {(each.method, each.cell, each.seed): each for each in outcomes}
    return CellMap(found, cells, seeds, methods, frozenset(failed), 100, (1, 2, 3, 4, 5, 6))


@pytest.fixture
def found():
    figures = {
        ("base", FLAWLESS): (0.3, 0.4), ("grpo", FLAWLESS): (0.5, 0.6),
        ("sft", FLAWLESS): (0.9, 0.8), ("hpt", FLAWLESS): (0.8, 0.8), ("sft_grpo", FLAWLESS): (0.7, 0.7),
        ("sft", WRONG): (0.4, 0.5), ("hpt", WRONG): (0.7, 0.9), ("sft_grpo", WRONG): (0.3, 0.3),
    }  # fmt: skip
    return made([outcome(*key, seed, inside) for key, pair in figures.items() for seed, inside in enumerate(pair)])


def test_an_interval_of_paired_differences_by_hand():
    # Differences .1, .2, .3: s = .1, error = .1 / sqrt(3), t with 2 degrees of freedom is 4.303.
    difference = difference_of([0.1, 0.2, 0.3])
    assert difference.mean == pytest.approx(0.2)
    assert difference.half_width == pytest.approx(4.303 * 0.1 / math.sqrt(3))
    assert difference.sign == 0
    assert (difference_of([0.2, 0.21, 0.19]).sign, difference_of([-0.2, -0.21, -0.19]).sign) == (1, -1)
    assert str(difference_of([0.2, 0.21, 0.19])) == "+0.200 [+0.175, +0.225]"


def test_a_single_seed_has_no_interval_and_decides_nothing():
    assert difference_of([0.5]) == (0.5, None, 1)
    assert difference_of([0.5]).sign == 0 and str(difference_of([0.5])) == "+0.500"


def test_a_figure_is_the_mean_over_its_levels_then_over_seeds(found):
    assert found.value("hpt", WRONG).mean == pytest.approx(0.8)
    assert found.value("hpt", WRONG).error == pytest.approx(0.1)
    means = {name: found.value("hpt", WRONG, name).mean for name in cell_map.QUANTITIES}
    assert means == pytest.approx({"in": 0.8, "out": 0.1, "ood_level": 0.1, "ood_notation": 0.3, "kept": 0.8})


def test_a_method_without_demonstrations_has_its_figures_in_every_cell(found):
    assert found.value("grpo", WRONG) == found.value("grpo", FLAWLESS)


def test_differences_are_paired_by_seeds(found):
    assert found.difference("hpt", "sft", WRONG).mean == pytest.approx(0.35)
    assert found.difference("hpt", "sft", WRONG).half_width == pytest.approx(12.706 * 0.05)


def test_a_missing_and_a_failed_run_are_named_and_never_averaged_over(found):
    outcomes = dict(found.outcomes)
    del outcomes["sft", WRONG, 1]
    part = made(outcomes.values(), failed=[("hpt", WRONG, 0)])
    assert (part.value("sft", WRONG), part.value("hpt", WRONG)) == ("missing", "failed")
    assert part.difference("hpt", "sft", WRONG) == "failed" and part.difference("sft", "grpo", WRONG) == "missing"
    assert part.best(WRONG, METHODS) == "grpo"
    text = rendered(cell_map.accuracy_by_cell(part, part.cells), markdown=True)
    assert text.count("missing") == text.count("failed") == 1


def test_flops_are_six_per_trained_and_two_per_sampled_token(found):
    assert found.flops(found.outcomes["hpt", WRONG, 0]) == 100 * (6 * 10 + 2 * 6)


def test_the_verdict_names_the_best_of_both_kinds_and_their_difference(found):
    lines = rendered(cell_map.verdicts(found, found.cells), markdown=True).splitlines()
    assert "| SFT " in lines[2] and "| HPT " in lines[2] and "-0.050 [" in lines[2]
    assert "| GRPO " in lines[3] and "| HPT " in lines[3] and "+0.250 [" in lines[3]


def test_faults_and_longer_trainings_decide_no_verdict_and_have_their_differences(found):
    others = ("sft_dropped", "sft_flops")
    further = [outcome(name, FLAWLESS, seed, 0.95 + 0.02 * seed) for name in others for seed in (0, 1)]
    whole = made([*found.outcomes.values(), *further], methods=(*METHODS, *others))
    assert whole.mapped().methods == (*METHODS, "sft_flops")
    verdicts = rendered(cell_map.verdicts(whole.mapped(), whole.cells), markdown=True)
    assert "2.5 x" not in verdicts and "dropped" not in verdicts
    pairs = [("sft_dropped", "sft"), ("hpt", "sft_flops")]
    lines = rendered(cell_map.differences(whole, pairs, whole.cells), markdown=True).splitlines()
    assert "SFT, micro-batches dropped - SFT" in lines[0] and "HPT - SFT, 2.5 x batches" in lines[0]
    boards = [rendered(cell_map.leaderboard(whole, cell, {}), markdown=True) for cell in whole.cells]
    assert ["dropped" in board for board in boards] == [True, False]
    (row,) = lines[2:]  # where wrong demonstrations are, neither has run
    assert "+0.110 [" in row and "-0.160 [" in row


def test_the_leaderboard_says_where_samples_are_missing(found):
    passes = {("hpt", WRONG, seed): {1: 0.25, 4: 0.5 + 0.25 * seed} for seed in (0, 1)}
    table = rendered(cell_map.leaderboard(found, WRONG, passes), markdown=True).splitlines()
    assert "pass@4" in table[0]
    (hpt,) = [line for line in table if line.startswith("| HPT")]
    assert "0.250" in hpt and "0.625" in hpt and "missing" not in hpt
    (sft,) = [line for line in table if line.startswith("| SFT ") and "GRPO" not in line]
    assert sft.count("missing") == 2


def test_a_cell_in_words():
    titles = [cell_map.title_of(cell) for cell in map_cells()]
    assert titles[0] == "flawless" and titles[6:8] == ["reversed style", "notation style"]
    assert titles[-1] == "10% wrong, 25% covered"
    assert len(set(titles)) == len(titles) == 14


# ---- figures ----


def test_the_data_of_the_map_have_a_row_per_run_and_name_it(found):
    figure = cell_figures.heat_map(found)
    rows = list(csv.DictReader(io.StringIO(figure.csv)))
    assert len(rows) == len(found.outcomes)
    (row,) = [row for row in rows if row["runs"] == "hpt-1" and row["cell"] == "30% wrong"]
    assert (row["wrong"], row["coverage"], row["in"], row["flops"]) == ("0.3", "1", "0.9", "7200")
    assert figure.svg and figure.csv == cell_figures.heat_map(found).csv


def test_the_frame_of_a_column_is_at_the_best_with_the_same_questions(found, monkeypatch):
    from matplotlib.axes import Axes

    framed, add_patch = [], Axes.add_patch

    def recorded(axis, patch):
        if not patch.get_fill():
            framed.append((round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)))
        return add_patch(axis, patch)

    longer = [outcome("sft_flops", FLAWLESS, seed, 0.95 + 0.02 * seed) for seed in (0, 1)]
    monkeypatch.setattr(Axes, "add_patch", recorded)
    cell_figures.heat_map(made([*found.outcomes.values(), *longer], methods=(*METHODS, "sft_flops")))
    assert framed == [(0, METHODS.index("sft")), (1, METHODS.index("hpt"))]


def test_the_lines_have_a_point_per_finished_cell(found):
    figure = cell_figures.lines(found)
    rows = [row for row in csv.DictReader(io.StringIO(figure.csv)) if row["method"] == "hpt"]
    assert [(row["x"], row["mean"]) for row in rows] == [("0", "0.8"), ("30", "0.8"), ("100", "0.8")]


def test_a_line_ends_where_a_run_is_missing(found, monkeypatch):
    from matplotlib.axes import Axes

    drawn, errorbar = {}, Axes.errorbar

    def recorded(axis, x, y, *rest, label, **style):
        drawn.setdefault(label, list(y))  # of the left panel
        return errorbar(axis, x, y, *rest, label=label, **style)

    monkeypatch.setattr(Axes, "errorbar", recorded)
    cell_figures.lines(found)
    assert drawn["HPT"] == pytest.approx([80, math.nan, 80, math.nan], nan_ok=True)


def test_without_runs_a_figure_says_what_it_needs():
    for draw in (cell_figures.heat_map, cell_figures.lines):
        figure = draw(made([]))
        assert figure.svg is None and figure.missing == "finished final runs of a map"


def test_figures_of_the_first_cell_are_shown_whatever_else_has_finished(found):
    left = [each for each in found.outcomes.values() if each.method == "grpo" or each.cell == WRONG]
    begun = made(left).begun()
    assert begun.cells == (FLAWLESS, WRONG) and begun.value("grpo", WRONG) == found.value("grpo", WRONG)
    assert made([each for each in left if each.method == "grpo"]).begun().cells == (FLAWLESS,)


def test_methods_and_cells_without_a_run_are_named_and_not_shown(found):
    whole = made(found.outcomes.values(), cells=(FLAWLESS, WRONG, "coverage=0.05"), methods=(*METHODS, "chord"))
    begun = whole.begun()
    assert (begun.cells, begun.methods) == ((FLAWLESS, WRONG), METHODS)
    assert whole.not_begun() == ["Not run on all seeds yet, and so not shown: CHORD; the cells 5% covered."]
    assert begun.not_begun() == []
    failed = made(found.outcomes.values(), failed=[("chord", WRONG, 0)], methods=(*METHODS, "chord"))
    assert failed.begun().methods == (*METHODS, "chord")
