# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics, tables and curves of a study, against numbers worked out by hand."""

import csv
import math

import pytest

from hpt.common.terminal import rendered
from recipe.hpt.reproduction.methods import COMPARED
from recipe.hpt.reproduction.report import curves, study
from recipe.hpt.reproduction.report.statistics import value_of
from recipe.hpt.reproduction.sweep import Choice

LEVELS = (1, 2)  # of training; 7 is outside


def line(method="hpt", seed=0, accuracy=(1.0, 0.5, 0.0), curve=None, **changes):
    levels = dict(zip(("1", "2", "7"), accuracy, strict=True))
    return {
        "kind": "final", "name": f"{method}-seed{seed}", "method": method, "seed": seed, "stage": 0,
        "learning_rate": 6e-4,
        "steps": 4, "questions": 32, "questions_before": 0, "optimizer_steps": 16,
        "optimizer_steps_skipped": 0, "wall_seconds": 60.0, "accuracy": levels,
        "curve": {"2": dict.fromkeys(levels, 0.5), "4": levels} if curve is None else curve,
        **changes,
    }  # fmt: skip


def base(seed=0, accuracy=(0.5, 0.0, 0.0)):
    levels = dict(zip(("1", "2", "7"), accuracy, strict=True))
    return line(
        "base", seed, accuracy, {"0": levels}, steps=0, questions=0, optimizer_steps=0, learning_rate=None
    )  # fmt: skip


def cells(text):
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()]


# ---- statistics ----


def test_mean_and_standard_error_by_hand():
    # Deviations -0.1, 0, 0.1: s^2 = 0.02 / 2, error = sqrt(0.01 / 3).
    value = value_of([0.4, 0.5, 0.6])
    assert (value.mean, value.n) == (pytest.approx(0.5), 3)
    assert value.error == pytest.approx(math.sqrt(0.01 / 3))
    assert str(value) == "0.500 ± 0.058"
    assert value_of([0.0, 1.0]).error == pytest.approx(0.5)  # s = sqrt(1/2), over sqrt(2)
    assert value_of([0.3, 0.3]).error == 0.0


def test_a_single_seed_has_no_error_bar():
    value = value_of([0.25])
    assert (value.mean, value.error, value.n) == (0.25, None, 1)
    assert str(value) == "0.250"


def test_no_seed_at_all_is_refused():
    with pytest.raises(ValueError, match="got no numbers; expected one per seed"):
        value_of([])


def test_groups_are_means_over_levels_per_seed_first():
    found = study.outcomes([line(seed=0), line(seed=1, accuracy=(0.5, 0.0, 0.4))])
    (row,) = study.rows_of(found, LEVELS)
    # Seed 0: (1 + .5) / 2 = .75, seed 1: .25; their error is |.75 - .25| / 2, less than the levels' would add.
    assert row.groups[study.IN].mean == pytest.approx(0.5)
    assert row.groups[study.IN].error == pytest.approx(0.25)
    assert row.groups[study.OUT].mean == pytest.approx(0.2)
    assert row.groups[study.ALL].mean == pytest.approx((0.5 + 0.3) / 2)
    assert row.levels[2].mean == pytest.approx(0.25)


def chain(seed=0):
    first = line("sft_grpo", seed, (0.6, 0.2, 0.0), stage=0, learning_rate=2e-3, steps=2, questions=16,
                 optimizer_steps=8, curve={"2": {"1": 0.6, "2": 0.2, "7": 0.0}})  # fmt: skip
    second = line("sft_grpo", seed, stage=1, learning_rate=2e-4, steps=2, questions=16,
                  optimizer_steps=8, questions_before=16, optimizer_steps_skipped=3,
                  curve={"2": {"1": 1.0, "2": 0.5, "7": 0.0}})  # fmt: skip
    return [second, first]


def test_stages_are_added_up_and_the_last_ones_model_counts():
    (outcome,) = study.outcomes(chain())
    assert outcome.accuracy == {1: 1.0, 2: 0.5, 7: 0.0}
    assert (outcome.questions, outcome.optimizer_steps, outcome.skipped) == (32, 16, 3)
    assert outcome.seconds == 120.0
    assert outcome.learning_rates == [2e-3, 2e-4]
    assert {place: levels[1] for place, levels in outcome.curve.items()} == {16: 0.6, 32: 1.0}


def test_a_method_whose_second_stage_is_missing_is_left_out():
    assert study.outcomes(chain()[1:]) == []


# ---- tables ----


def test_accuracy_table_in_markdown():
    rows = study.rows_of(study.outcomes([line(seed=1, accuracy=(0.5, 0.0, 0.4)), base(), line(seed=0)]), LEVELS)
    table = cells(rendered(study.accuracy_table(rows, LEVELS), markdown=True))
    assert table[0] == [
        "method", "seeds", "level 1", "level 2", "in distribution (1-2)", "out of distribution (7)", "all (1, 2, 7)"
    ]  # fmt: skip
    assert set("".join(table[1])) <= set(":- ")
    assert table[2:] == [
        ["base model", "1", "0.500", "0.000", "0.250", "0.000", "0.167"],
        ["HPT", "2", "0.750 ± 0.250", "0.250 ± 0.250", "0.500 ± 0.250", "0.200 ± 0.200", "0.400 ± 0.100"],
    ]  # fmt: skip


def test_budget_table_has_the_rates_of_all_stages():
    rows = study.rows_of(study.outcomes([base(), *chain()]), LEVELS)
    table = cells(rendered(study.budget_table(rows), markdown=True))
    assert table[2:] == [
        ["base model", "-", "0", "0", "0.0", "1.0"],
        ["SFT -> GRPO", "0.002, 0.0002", "32", "16", "3.0", "2.0"],
    ]


def sweep(rate, accuracy, method="hpt"):
    return line(method, 100, accuracy, kind="sweep", learning_rate=rate)


def test_sweep_table_marks_the_chosen_rate_and_shows_missing_ones():
    results = [
        sweep(1e-4, (0.5, 0.5, 1.0)),
        sweep(1e-3, (1.0, 0.5, 0.0)),
        sweep(1e-4, (0.2, 0.2, 0), "sft"),
        line(),
    ]
    scores = study.sweep_scores(results, LEVELS)
    assert scores == {
        "hpt": {(1e-4, None): 0.5, (1e-3, None): 0.75},
        "sft": {(1e-4, None): 0.2},
    }  # level 7 does not count
    choices = {"hpt": Choice(1e-3), "sft": Choice(None, ((1e-3, None),))}
    table = cells(rendered(study.sweep_table(scores, choices, (1e-4, 1e-3)), markdown=True))
    assert table[0] == ["method", "lr 0.0001", "lr 0.001", "chosen"]
    assert table[2:] == [["SFT", "0.200", "-", "-"], ["HPT", "0.500", "0.750 *", "0.001"]]


def test_notes_say_what_does_not_compare():
    rows = study.rows_of(study.outcomes([line("sft", 0), line("sft", 1), line("hpt", 0)]), LEVELS)
    notes = study.notes_on(rows, {"hpt": Choice(1e-3, at_edge=True), "sft": Choice(1e-3)})
    assert notes == [
        "A single seed, so no standard error: HPT.",
        "Not all methods finished on the same seeds: SFT 0-1; HPT 0.",
        "The chosen learning rate is at the edge of the sweep, so a better one may lie outside: HPT.",
    ]
    assert study.notes_on(rows[:1], {}) == []


def test_batches_without_metrics_are_said_so():
    whole = line(name="hpt-seed0", steps_with_metrics=4)
    lacking = line(name="hpt-seed1", steps_with_metrics=3)
    assert study.lost_metrics([whole]) == []
    (note,) = study.lost_metrics([whole, lacking])
    assert note.endswith("hpt-seed1 1 of 4.")


# ---- curves ----


def test_curves_start_from_the_base_model_of_the_same_seed():
    found = study.outcomes([base(0), base(1, (1.0, 0.5, 0.0)), line(seed=0), line(seed=1)])
    rows = [row for row in curves.curve_rows(found, LEVELS) if row["method"] == "hpt"]
    inside = [row for row in rows if row["levels"] == study.IN]
    assert [row["questions"] for row in inside] == [0, 16, 32]
    assert [row["mean"] for row in inside] == pytest.approx([0.5, 0.5, 0.75])
    assert [row["standard_error"] for row in inside] == pytest.approx([0.25, 0.0, 0.0])
    assert {row["seeds"] for row in rows} == {2}


def test_a_validation_that_one_seed_alone_has_is_not_in_the_curve():
    resumed = line(seed=1)
    resumed["curve"]["3"] = resumed["curve"]["2"]  # where it was resumed
    rows = curves.curve_rows(study.outcomes([line(seed=0), resumed]), LEVELS)
    assert {row["questions"] for row in rows} == {16, 32}


def test_curves_without_a_base_model_have_no_start():
    rows = curves.curve_rows(study.outcomes(chain()), LEVELS)
    assert [row["questions"] for row in rows if row["levels"] == study.OUT] == [16, 32]
    assert {row["standard_error"] for row in rows} == {None}


def test_the_figures_data_and_the_figure_are_written(tmp_path):
    rows = curves.curve_rows(study.outcomes([base(), line(), *chain()]), LEVELS)
    curves.write_curves(rows, tmp_path / "curves.csv")
    with open(tmp_path / "curves.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == len(rows)
    assert written[0] == {
        "method": "base", "levels": "in distribution", "questions": "0", "mean": "0.25",
        "standard_error": "", "seeds": "1",
    }  # fmt: skip
    for name, content in (("full", rows), ("empty", [])):
        curves.plot_curves(content, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_every_method_has_a_look_of_its_own():
    assert set(curves.STYLES) == set(COMPARED)
    for part in (0, 1):  # colour, marker
        assert len({style[part] for style in curves.STYLES.values()}) == len(COMPARED)
