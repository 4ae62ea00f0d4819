# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import csv
import json

import pytest

from hpt.cli import main
from hpt.common.terminal import rendered
from hpt.evaluation.compare import compare
from hpt.evaluation.manifest import FolderError
from hpt.evaluation.metrics import Exclusive, pass_at_k
from hpt.evaluation.outputs import write_outputs
from hpt.evaluation.results import averages, results_of
from hpt.evaluation.tables import main_table, percent
from tests.unit.evaluation.helpers import results_folder

# The gold answer is 1; levels alternate 1, 2.
ANSWERS: dict[str, list[str | None]] = {
    "a": ["1", "1", "2", "1"],
    "b": ["2", "2", "1", None],
    "c": ["3", "4", "5", None],
}
SINGLE = {question: given[:1] for question, given in ANSWERS.items()}


def test_figures_of_a_benchmark(tmp_path):
    results, records = results_of(results_folder(tmp_path / "out", ANSWERS), 500)
    tiny = results["benchmarks"]["tiny"]
    assert (tiny["questions"], tiny["n"], tiny["metric"]) == (3, 4, "avg@4")
    assert tiny["value"] == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
    assert tiny["standard_error"] == pytest.approx(0.2204792759, abs=1e-9)
    assert list(tiny["pass_at_k"]) == ["1", "2", "4"]
    for k, point in tiny["pass_at_k"].items():
        each = [pass_at_k(4, c, int(k)) for c in (3, 1, 0)]
        assert point["value"] == pytest.approx(sum(each) / 3)
        assert point["low"] <= point["value"] <= point["high"]
    assert tiny["maj_at_k"]["4"] == pytest.approx(1 / 3)
    assert tiny["maj_at_k"]["1"] == pytest.approx(tiny["value"])
    assert tiny["mean_tokens"] == 6.5 and tiny["truncated"] == 0.0
    assert tiny["reasons"] == {"correct": 4, "no_answer": 2, "wrong": 6}
    assert tiny["levels"]["1"] == {"questions": 2, "value": 0.375, "standard_error": 0.375}
    assert tiny["levels"]["2"] == {"questions": 1, "value": 0.25, "standard_error": None}
    assert [(each["question"], each["correct"], each["majority"]) for each in records] == [
        ("a", 3, "1"), ("b", 1, "2"), ("c", 0, None),
    ]  # fmt: skip
    assert results["averages"] == {
        "other": {
            "value": tiny["value"], "standard_error": tiny["standard_error"], "benchmarks": ["tiny"], "missing": [],
        }
    }  # fmt: skip


def test_averages_are_the_papers():
    """HPT's row of Table 2, Qwen2.5-Math-7B."""
    values = {
        "aime24": 33.0, "aime25": 21.9, "amc23": 69.4, "math500": 89.2, "minerva": 46.0, "olympiadbench": 56.9,
        "arc_c": 81.6, "gpqa": 42.9, "mmlu_pro": 1.0,
    }  # fmt: skip
    figures = {name: {"value": value, "standard_error": 3.0} for name, value in values.items()}
    found = averages(figures)
    assert round(found["in_distribution"]["value"], 1) == 52.7
    assert found["in_distribution"]["standard_error"] == pytest.approx(3.0 / 6**0.5)
    assert round(found["out_of_distribution"]["value"] - 0.05, 1) in (62.2, 62.3)
    assert found["other"]["benchmarks"] == ["mmlu_pro"]
    del figures["minerva"]
    figures["gpqa"]["standard_error"] = None
    fewer = averages(figures)
    assert fewer["in_distribution"]["missing"] == ["minerva"]
    assert fewer["out_of_distribution"]["standard_error"] is None


def test_files(tmp_path):
    out = results_folder(tmp_path / "out", ANSWERS)
    shown = write_outputs(out, 500)
    markdown = (out / "results.md").read_text()
    assert "| tiny" in markdown and "33.3 ± 22.0" in markdown and "avg@4" in markdown
    assert "Average, other benchmarks" in markdown and "33.3 ± 22.0" in shown
    with open(out / "pass_at_k.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["k"], float(row["pass_at_k"])) for row in rows][-1] == ("4", pytest.approx(2 / 3))
    assert (out / "pass_at_k.png").read_bytes().startswith(b"\x89PNG")
    assert len((out / "questions.jsonl").read_text().splitlines()) == 3
    assert json.loads((out / "results.json").read_text())["bootstrap"]["resamples"] == 500


def test_one_sample_and_one_question(tmp_path):
    out = results_folder(tmp_path / "out", {"a": ["1"]})
    write_outputs(out, 100)
    tiny = json.loads((out / "results.json").read_text())["benchmarks"]["tiny"]
    assert (tiny["metric"], tiny["value"], tiny["standard_error"]) == ("pass@1", 1.0, None)
    assert tiny["pass_at_k"] == {"1": {"value": 1.0, "low": None, "high": None}}
    assert not (out / "pass_at_k.csv").exists() and not (out / "pass_at_k.png").exists()


def test_an_unfinished_benchmark_is_named_and_not_counted(tmp_path):
    out = results_folder(tmp_path / "out", ANSWERS, last=False)
    journal = out / "samples" / "tiny.partial.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
    results, records = results_of(out, 100)
    assert results["benchmarks"] == {} and records == []
    assert results["incomplete"] == {"tiny": {"samples": 11, "of": 12}}
    assert "tiny is not finished: 11 of 12 samples." in write_outputs(out, 100)


def test_missing_columns_of_the_paper_are_named(tmp_path):
    results, _ = results_of(results_folder(tmp_path / "out", SINGLE, name="math500"), 100)
    assert "in distribution (1 of 6)" in rendered(main_table(results), markdown=True)
    assert percent(None) == "-"


def test_compare(tmp_path):
    a = results_folder(tmp_path / "a", {"a": ["1"], "b": ["1"], "c": ["2"], "d": ["1"]})
    b = results_folder(tmp_path / "b", {"a": ["1"], "b": ["2"], "c": ["1"], "d": ["2"]}, model="b")
    (found,), notes = compare(a, b, resamples=2000)
    assert notes == [] and (found.value_a, found.value_b) == (0.75, 0.5)
    assert found.levels == {
        "1": Exclusive(0, 1, 1, 0),
        "2": Exclusive(2, 0, 0, 0),
        "all": Exclusive(2, 1, 1, 0),
    }
    # The differences are 0, +1, -1, +1. The mean of four draws is within [-0.5, 1] in 95 of 100 resamples.
    assert found.low <= -0.25 and found.high >= 0.75 and found.low < 0.25 < found.high
    (back,), _ = compare(b, a, resamples=2000)
    assert back.levels["all"] == Exclusive(1, 2, 1, 0)


def test_paired_interval_is_narrower_than_that_of_independent_runs(tmp_path):
    """Two runs that differ on one question only get a narrow interval, whatever the questions are."""
    given = {str(i): ["1" if i % 2 else "2"] for i in range(40)}
    a = results_folder(tmp_path / "a", given)
    b = results_folder(tmp_path / "b", {**given, "0": ["1"]}, model="b")
    (found,), _ = compare(a, b, resamples=2000)
    assert found.value_a - found.value_b == pytest.approx(-1 / 40)
    assert found.low >= -0.11 and found.high <= 0.0


def test_solved_at(tmp_path):
    a = results_folder(tmp_path / "a", {"a": ["1", "2"], "b": ["1", "1"]})
    b = results_folder(tmp_path / "b", {"a": ["2", "2"], "b": ["1", "1"]}, model="b")
    assert compare(a, b)[0][0].levels["all"] == Exclusive(1, 0, 1, 0)
    assert compare(a, b, solved_at=1.0)[0][0].levels["all"] == Exclusive(0, 0, 1, 1)
    with pytest.raises(ValueError, match="--solved-at 0"):
        compare(a, b, solved_at=0)


def test_folders_that_do_not_compare(tmp_path):
    a = results_folder(tmp_path / "a", SINGLE)
    other = results_folder(tmp_path / "other", {"x": ["1"], "b": ["1"], "c": ["1"]}, model="b")
    with pytest.raises(FolderError, match="other questions"):
        compare(a, other)
    named = results_folder(tmp_path / "named", SINGLE, name="elsewhere")
    with pytest.raises(FolderError, match="no finished benchmark in common"):
        compare(a, named)
    unfinished = results_folder(tmp_path / "unfinished", SINGLE, last=False)
    next(unfinished.glob("samples/*")).write_text("")
    with pytest.raises(FolderError, match=r"not finished, in .*unfinished"):
        compare(a, unfinished)


def test_commands(tmp_path, capsys):
    a = results_folder(tmp_path / "a", ANSWERS)
    b = results_folder(tmp_path / "b", SINGLE, model="b")
    assert main(["eval", "compare", str(a), str(b), "--resamples", "200", "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "(avg@4)" in shown and "(pass@1)" in shown and "| tiny" in shown
    assert main(["eval", "report", str(a), "--resamples", "200"]) == 0
    assert (a / "results.json").exists()
    assert main(["eval", "report", str(tmp_path / "nowhere")]) == 2
    assert "which has no manifest.json" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
