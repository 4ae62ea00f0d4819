# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a report: the data behind them against numbers computed here, and what is missing."""

import csv
import io
import itertools
import xml.etree.ElementTree as ElementTree
from statistics import mean, stdev

import numpy as np
import pytest

from hpt.evaluation.metrics import pass_at_k
from recipe.hpt.reproduction.methods import ABLATIONS, COMPARED
from recipe.hpt.reproduction.report.figures import (
    demonstration_figure,
    entropy_figure,
    gate_figure,
    make_figures,
    validation_figure,
)
from recipe.hpt.reproduction.report.pass_curves import pass_at_k_figure
from recipe.hpt.reproduction.report.plots import styles_of
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError
from recipe.hpt.reproduction.report.series import line_of, mean_of, series_of
from tests.unit.reproduction.report.folders import evaluation, metrics

RATIO = "hpt/demonstration_share_rows"
VALIDATION = "val-core/builtin/level_{}/acc/mean@1"


def training(tmp_path, rows, method="hpt", seed=0, stages=1):
    """Rows of one stage, or of several."""
    parts = [rows] if stages == 1 else rows
    folders = [metrics(tmp_path / f"{method}-{seed}-{number}", part) for number, part in enumerate(parts)]
    return RunEntry("builtin", method, seed, tuple(folders))


def data(figure):
    return list(csv.DictReader(io.StringIO(figure.csv)))


def ratio(values, first=1):
    return {first + i: {RATIO: value} for i, value in enumerate(values)}


# ---- series ----


def test_stages_are_one_after_the_other(tmp_path):
    entry = training(tmp_path, [ratio([1.0, 1.0]), ratio([0.0, 0.5, 0.25])], "sft_grpo", stages=2)
    assert series_of(entry, RATIO).values == {1: 1.0, 2: 1.0, 3: 0.0, 4: 0.5, 5: 0.25}


def test_a_line_has_the_steps_of_all_seeds(tmp_path):
    runs = [training(tmp_path, ratio(values), seed=s) for s, values in enumerate(([0.5, 0.25, 0.125], [0.25, 0.75]))]
    line = line_of(runs, RATIO)
    assert list(line.values) == [1, 2] and line.seeds == (0, 1)
    assert line.values[2].mean == 0.5
    assert line.values[2].error == pytest.approx(stdev([0.25, 0.75]) / 2**0.5)
    assert line_of(runs[:1], RATIO).values[3].error is None
    assert line_of(runs, "hpt/grad_norm") is None and line_of([], RATIO) is None


def test_values_that_are_not_finite_are_left_out_and_counted(tmp_path):
    values = [0.5, float("nan"), 0.25, float("inf")]
    entry = training(tmp_path, ratio(values))
    assert series_of(entry, RATIO).values == {1: 0.5, 3: 0.25}
    (figure,) = demonstration_figure("m", "M", [entry])
    assert any("not finite" in note and "HPT 2" in note for note in figure.notes)
    assert [row["step"] for row in data(figure)] == ["1", "3"]
    assert b"nan" not in figure.svg.lower()


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    entry = training(tmp_path, ratio([0.5, 0.25]))
    with open(entry.training[0] / "metrics.jsonl", "a") as file:
        file.write('{"step": 3, "data": {"hpt/dem')
    assert series_of(entry, RATIO).values == {1: 0.5, 2: 0.25}


@pytest.mark.parametrize("line", ['{"step": 1}', "[1]", "3", '{"data": {}}'])
def test_metrics_that_no_training_wrote_are_named(tmp_path, line):
    entry = training(tmp_path, ratio([0.5]))
    (entry.training[0] / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(RunsError, match="expected one object with step and data per line"):
        series_of(entry, RATIO)


def test_a_metric_that_is_no_number_is_named(tmp_path):
    with pytest.raises(RunsError, match=r"got hpt/demonstration_share_rows='high' at step 1 of builtin, hpt, seed 0"):
        series_of(training(tmp_path, ratio(["high"])), RATIO)


def test_means_over_metrics_are_at_steps_that_have_them_all(tmp_path):
    entry = training(tmp_path, {1: {"a": 1.0, "b": 3.0}, 2: {"a": 1.0}, 3: {"a": 2.0, "b": 5.0}})
    assert mean_of(entry, ["a", "b"]).values == {1: 2.0, 3: 3.5}
    assert mean_of(entry, []).values == {}


# ---- Figures 5 to 8 ----


def validations(*accuracies):
    """(step, levels 1, 2 and 7) each."""
    return {
        step: {VALIDATION.format(level): v for level, v in zip((1, 2, 7), of, strict=True)} for step, of in accuracies
    }


def test_validation_curves(tmp_path):
    per_seed = [
        [(2, (0.5, 0.25, 0.0)), (4, (1.0, 0.75, 0.125))],
        [(2, (0.75, 0.25, 0.5)), (4, (1.0, 1.0, 0.5))],
    ]
    runs = [training(tmp_path, validations(*each), seed=s) for s, each in enumerate(per_seed)]
    base = training(tmp_path, validations((0, (0.25, 0.125, 0.0))), "base")
    (figure,) = validation_figure("m", "M", [base, *runs])
    found = {(r["benchmark"], r["method"], r["step"]): r for r in data(figure)}
    means = [mean(each[1][1][:2]) for each in per_seed]
    last = found["mean of levels 1 to 2", "hpt", "4"]
    assert float(last["mean"]) == pytest.approx(mean(means))
    assert float(last["standard_error"]) == pytest.approx(stdev(means) / 2**0.5, rel=1e-5)
    assert float(found["level 7", "hpt", "2"]["mean"]) == 0.25
    assert found["level 1", "base", "0"]["seeds"] == "0"
    assert ("level 1", "base", "4") not in found  # the level line is for the eye only
    assert "Seeds differ: base model (0); HPT (0, 1)." in figure.notes


def test_a_method_without_a_benchmark_is_not_in_the_mean(tmp_path):
    whole = training(tmp_path, validations((2, (0.5, 0.5, 0.5))))
    part = training(tmp_path, {2: {VALIDATION.format(1): 1.0}}, "grpo")
    (figure,) = validation_figure("m", "M", [whole, part])
    found = {(row["benchmark"], row["method"]) for row in data(figure)}
    assert ("level 1", "grpo") in found and ("mean of levels 1 to 2", "grpo") not in found


def test_the_demonstration_share_of_all_methods_is_in_the_data_and_flat_ones_are_not_drawn(tmp_path):
    runs = [
        training(tmp_path, ratio([0.5, 0.25])),
        training(tmp_path, ratio([0.125, 0.125]), "luffy"),
        training(tmp_path, ratio([1.0, 1.0]), "sft"),
        training(tmp_path, ratio([0.0, 0.0]), "grpo"),
        training(tmp_path, ratio([0.5, 0.5]), "off_on"),
    ]
    (figure,) = demonstration_figure("m", "M", runs)
    assert {row["method"] for row in data(figure)} == {"sft", "grpo", "luffy", "hpt"}
    assert any("Always 0 or 1" in note and "SFT, GRPO" in note for note in figure.notes)


def test_entropy_and_length(tmp_path):
    rows = {1: {"hpt/entropy_rollout": 0.5, "hpt/response_length_rollout": 20.0}}
    (figure,) = entropy_figure("m", "M", [training(tmp_path, rows), training(tmp_path, ratio([1.0]), "sft")])
    assert [(r["metric"], r["method"], r["mean"]) for r in data(figure)] == [
        ("hpt/entropy_rollout", "hpt", "0.5"), ("hpt/response_length_rollout", "hpt", "20"),
    ]  # fmt: skip


def test_runs_without_the_metric_are_noted(tmp_path):
    whole = {"hpt/entropy_rollout": 0.5, "hpt/response_length_rollout": 20.0}
    part = {"hpt/response_length_rollout": 20.0}
    runs = [training(tmp_path, {1: row}, seed=seed) for seed, row in enumerate((whole, part))]
    runs += [training(tmp_path, ratio([1.0]), "sft"), training(tmp_path, ratio([1.0]), "base")]
    (figure,) = entropy_figure("m", "M", [*runs, RunEntry("builtin", "grpo")])
    (note,) = [note for note in figure.notes if "Not logged" in note]
    assert "entropy (SFT; HPT, seed 1); response length (SFT)" in note


def test_runs_without_a_validation_are_noted(tmp_path):
    runs = [
        training(tmp_path, validations((2, (0.5, 0.5, 0.5)))),
        training(tmp_path, {2: {VALIDATION.format(1): 1.0}}, "grpo"),
        training(tmp_path, ratio([1.0]), "sft"),
    ]
    (figure,) = validation_figure("m", "M", runs)
    (note,) = [note for note in figure.notes if "Not logged" in note]
    assert "mean of levels 1 to 2, level 2, level 7 (SFT; GRPO); level 1 (SFT)" in note
    (without,) = validation_figure("m", "M", [runs[0], runs[2]])
    assert "every panel (SFT)" in without.notes[-1]


def test_unknown_methods_are_noted(tmp_path):
    rows = {1: {"hpt/entropy_rollout": 0.5, "hpt/response_length_rollout": 20.0}}
    runs = [training(tmp_path, rows, method) for method in ("hpt", "grop")]
    (figure,) = entropy_figure("m", "M", runs)
    assert any("Not a method" in note and "grop" in note for note in figure.notes)
    assert not any("Not a method" in note for note in entropy_figure("m", "M", runs[:1])[0].notes)


def test_gates(tmp_path):
    rows = {1: {"hpt/rollout_accuracy": 0.5, RATIO: 0.25}}
    runs = [training(tmp_path, rows, method) for method in ("hpt", "hpt_gamma_1_4", "luffy")]
    (figure,) = gate_figure("m", "M", runs)
    assert {row["method"] for row in data(figure)} == {"hpt", "hpt_gamma_1_4"}
    (alone,) = gate_figure("m", "M", [runs[0], runs[2]])
    assert alone.svg is None and "at least one other gate" in alone.missing


def test_figures_without_inputs_say_what_they_need(tmp_path):
    figures = make_figures([RunEntry("builtin", "hpt")])
    assert [figure.key.split("_")[0] for figure in figures] == [f"figure{number}" for number in range(2, 9)]
    assert all(figure.svg is None and figure.missing.startswith("It needs ") for figure in figures)
    base = training(tmp_path, validations((0, (0.5, 0.5, 0.5))), "base")
    (figure,) = validation_figure("m", "M", [base])  # a level line alone is no curve
    assert figure.missing


# ---- Figure 2 ----


def evaluated(tmp_path, correct, method="hpt", seed=0, **options):
    out = evaluation(tmp_path / f"eval-{method}-{seed}", correct, **options)
    return RunEntry("builtin", method, seed, (), (out,))


def brute_pass_at_k(n, c, k):
    """Over all subsets of k samples."""
    subsets = list(itertools.combinations([1] * c + [0] * (n - c), k))
    return mean(max(subset) for subset in subsets)


def test_pass_at_k_over_seeds(tmp_path):
    counts = [[0, 1, 4, 2], [1, 1, 3, 0]]
    runs = [evaluated(tmp_path, {"a": each}, seed=s) for s, each in enumerate(counts)]
    (figure,) = pass_at_k_figure("m", "M", runs)
    rows = data(figure)
    assert [row["k"] for row in rows] == ["1", "2", "4"]
    for row in rows:
        k = int(row["k"])
        expected = mean(brute_pass_at_k(4, c, k) for each in counts for c in each)
        assert float(row["pass_at_k"]) == pytest.approx(expected, rel=1e-5)
        assert float(row["low"]) <= expected <= float(row["high"])
        assert (row["questions"], row["n"], row["seeds"]) == ("4", "4", "0 1")


def test_the_interval_is_over_questions_with_their_seeds_averaged(tmp_path):
    counts = [[0, 1, 4, 2], [1, 1, 3, 0]]
    same = [evaluated(tmp_path, {"a": each}, seed=s) for s, each in enumerate(counts)]
    first = data(pass_at_k_figure("m", "M", same)[0])[0]
    questions = np.array(counts).mean(axis=0) / 4
    generator = np.random.default_rng(7)
    draws = generator.choice(questions, (20000, 4)).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert float(first["low"]) == pytest.approx(low, abs=0.02)
    assert float(first["high"]) == pytest.approx(high, abs=0.02)
    other = [evaluated(tmp_path, {"b": each}, "grpo", seed=s, gold=str(s)) for s, each in enumerate(counts)]
    mine = data(pass_at_k_figure("m", "M", other)[0])[0]
    draws = generator.choice(np.concatenate(counts) / 4, (20000, 8)).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert float(mine["low"]) == pytest.approx(low, abs=0.02)
    assert float(mine["high"]) == pytest.approx(high, abs=0.02)


def test_a_curve_is_of_the_evaluation_with_most_samples(tmp_path):
    few = evaluated(tmp_path, {"a": [1, 2]})
    many = evaluation(tmp_path / "many", {"a": [1, 2]}, n=16)
    run = RunEntry("builtin", "hpt", 0, (), (*few.evaluation, many))
    rows = data(pass_at_k_figure("m", "M", [run])[0])
    assert [row["k"] for row in rows] == ["1", "2", "4", "8", "16"]
    assert float(rows[1]["pass_at_k"]) == pytest.approx(mean([pass_at_k(16, 1, 2), pass_at_k(16, 2, 2)]), rel=1e-5)


def test_single_samples_make_no_curve(tmp_path):
    (figure,) = pass_at_k_figure("m", "M", [evaluated(tmp_path, {"a": [0, 1]}, n=1)])
    assert figure.svg is None and "several samples" in figure.missing


# ---- pictures ----


def test_lines_are_distinct_without_colour():
    methods = [*COMPARED, *ABLATIONS, "hpt_gamma_1_8", "own"]
    styles = styles_of(methods)
    assert len({style[1:] for style in styles.values()}) == len(methods)
    assert styles["hpt"] == styles_of(["hpt"])["hpt"]


def test_pictures_are_svg_without_dates_and_links(tmp_path):
    (figure,) = demonstration_figure("m", "M", [training(tmp_path, ratio([0.5, 0.25]))])
    root = ElementTree.fromstring(figure.svg)
    assert root.tag.endswith("svg")
    text = figure.svg.decode()
    assert "matplotlib.org" not in text and "dc:date" not in text and str(tmp_path) not in text
