# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of a report, against numbers computed here."""

import csv
import io
import json
from statistics import mean, stdev

import pytest

from hpt.evaluation.compare import compare
from recipe.hpt.reproduction.report.formats import MISSING, csv_text, latex, latex_text, markdown
from recipe.hpt.reproduction.report.measured import columns_of, read_evaluation
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError
from recipe.hpt.reproduction.report.tables import make_tables
from tests.unit.reproduction.report.folders import SAMPLING, evaluation

PAPER = ("aime24", "aime25", "amc23", "math500", "minerva", "olympiadbench")


def entry(tmp_path, correct, method="hpt", seed=0, model="builtin", **options):
    out = evaluation(tmp_path / f"{model}-{method}-{seed}", correct, **options)
    return RunEntry(model, method, seed, (), (out,))


def tables_of(*entries):
    return {table.key: table for table in make_tables(entries)}


def rows_of(table):
    """(first cell, second cell) -> column -> text; an empty first cell continues the row above."""
    found, first = {}, ""
    for row in table.rows:
        first = row[0] or first
        found[first, row[1]] = dict(zip(table.header[2:], row[2:], strict=True))
    return found


def records_of(table):
    return list(csv.DictReader(io.StringIO(csv_text(table))))


LEVELS = {f"builtin/level_{level}": level for level in (2, 6, 7)}


def counts(shift=0):
    return {name: [(level + i + shift) % 5 for i in range(3)] for name, level in LEVELS.items()}


def share(values, n=4):
    return 100 * mean(values) / n


def test_mean_and_standard_error_over_seeds(tmp_path):
    table = tables_of(*(entry(tmp_path, counts(s), seed=s) for s in range(3)))["table2_builtin"]
    assert table.header[2:] == ("level 2", "level 6", "Avg", "level 7")
    row = rows_of(table)["HPT", "measured"]
    per_seed = [share(counts(s)["builtin/level_2"]) for s in range(3)]
    error = stdev(per_seed) / 3**0.5
    assert row["level 2"] == f"{mean(per_seed):.1f} ± {error:.1f}"
    averages = [mean(share(counts(s)[f"builtin/level_{level}"]) for level in (2, 6)) for s in range(3)]
    assert row["Avg"] == f"{mean(averages):.1f} ± {stdev(averages) / 3**0.5:.1f}"
    (record,) = [r for r in records_of(table) if (r["method"], r["column"]) == ("hpt", "average_in_distribution")]
    assert float(record["measured"]) == pytest.approx(mean(averages), rel=1e-5)
    assert float(record["standard_error"]) == pytest.approx(stdev(averages) / 3**0.5, rel=1e-5)
    assert (record["error_over"], record["seeds"], record["published"]) == ("seeds", "0 1 2", "")


def test_of_one_seed_the_error_is_over_questions_and_says_so(tmp_path):
    table = tables_of(entry(tmp_path, counts()))["table2_builtin"]
    row = rows_of(table)["HPT", "measured"]
    errors = {}
    for name, values in counts().items():
        errors[name] = 100 * stdev(value / 4 for value in values) / 3**0.5
    two, six = errors["builtin/level_2"], errors["builtin/level_6"]
    assert row["level 2"] == f"{share(counts()['builtin/level_2']):.1f} ± {two:.1f} (q)"
    assert row["Avg"].endswith(f"± {(two**2 + six**2) ** 0.5 / 2:.1f} (q)")
    assert any("(q)" in note and "questions of one seed" in note for note in table.notes)
    assert {r["error_over"] for r in records_of(table) if r["measured"]} == {"questions"}
    alone = tables_of(entry(tmp_path, {"one": [3]}, model="x"))["table2_x"]
    assert rows_of(alone)["HPT", "measured"]["one"] == "75.0"  # nothing to take an error over


def test_an_average_needs_all_its_cells(tmp_path):
    lacking = {name: values for name, values in counts().items() if name != "builtin/level_6"}
    table = tables_of(entry(tmp_path, counts()), entry(tmp_path, lacking, "sft"))["table2_builtin"]
    row = rows_of(table)["SFT", "measured"]
    assert row["level 6"] == row["Avg"] == MISSING and row["level 2"] != MISSING
    assert set(rows_of(table)["GRPO", "measured"].values()) == {MISSING}
    status = {(r["method"], r["column"]): r["status"] for r in records_of(table)}
    assert status["sft", "average_in_distribution"] == status["grpo", "builtin/level_2"] == MISSING
    assert status["sft", "builtin/level_2"] == "measured"


def test_a_seed_that_lacks_a_benchmark_is_named_and_not_in_the_average(tmp_path):
    lacking = {"builtin/level_2": [4, 4, 4]}
    table = tables_of(entry(tmp_path, counts()), entry(tmp_path, lacking, seed=1))["table2_builtin"]
    row = rows_of(table)["HPT", "measured"]
    both = [share(counts()["builtin/level_2"]), 100.0]
    assert row["level 2"].startswith(f"{mean(both):.1f} ± ")
    assert row["Avg"].startswith(f"{(both[0] + share(counts()['builtin/level_6'])) / 2:.1f} ± ")
    assert "HPT, level 6: 1 of 2 seeds (0)." in table.notes


def test_unfinished_benchmarks_are_missing_and_named(tmp_path):
    run = entry(tmp_path, {"builtin/level_2": [1, 2]}, finished=False)
    other = entry(tmp_path, {"builtin/level_2": [1, 2]}, "sft")
    table = tables_of(run, other)["table2_builtin"]
    assert rows_of(table)["HPT", "measured"]["level 2"] == MISSING
    assert "HPT, seed 0: level 2 is unfinished (2 of 8 samples)." in table.notes


def test_measured_beside_published(tmp_path):
    correct = {name: [i % 5 for i in range(7)] for name in PAPER}
    run = entry(tmp_path, correct, model="qwen2.5_math_7b")
    tables = tables_of(run)
    assert list(tables) == [
        "table2", "table3_llama3_1_8b", "table3_qwen2_5_math_1_5b", "table4", "table5", "table6",
    ]  # fmt: skip
    rows = rows_of(tables["table2"])
    value = share(correct["minerva"])
    assert rows["HPT", "measured"]["Minerva"].startswith(f"{value:.1f} ± ")
    assert rows["HPT", "published"]["Minerva"] == "46.0"
    assert rows["HPT", "difference"]["Minerva"] == f"{value - 46.0:+.1f}"
    assert rows["HPT", "difference"]["Avg"] == f"{value - 52.7:+.1f}"
    assert rows["HPT", "measured"]["GPQA"] == rows["HPT", "measured"]["Avg OOD"] == MISSING
    assert rows["HPT", "difference"]["Avg OOD"] == "-"
    assert rows["Oat-Zero", "published*"]["AIME24"] == "33.4"
    assert ("Oat-Zero", "measured") not in rows and ("SFT", "difference") not in rows
    assert rows["SFT", "published"]["Avg"] == "44.5"
    llama = rows_of(tables["table3_llama3_1_8b"])
    assert llama["LUFFY", "published*"]["MATH-500"] == "39.0" and "Avg OOD" not in tables["table3_llama3_1_8b"].header
    (record,) = [r for r in records_of(tables["table2"]) if (r["method"], r["column"]) == ("hpt", "minerva")]
    assert float(record["difference"]) == pytest.approx(value - 46.0, rel=1e-4)
    assert (record["published"], record["quoted"]) == ("46", "false")


def test_ablations(tmp_path):
    correct = {name: [1, 2, 3] for name in PAPER}
    less = {name: [0, 1, 2] for name in PAPER}
    model = "qwen2.5_math_1.5b"
    tables = tables_of(entry(tmp_path, correct, model=model), entry(tmp_path, less, "off_on", model=model))
    five = {row[0]: row[1:] for row in tables["table5"].rows}
    assert five["SFT/ON (HPT)"][0].startswith("50.0 ±") and five["SFT/ON (HPT)"][1:] == [
        "41.9",
        "+8.1",
    ]
    assert five["OFF/ON"][0].startswith("25.0 ±") and five["OFF/ON"][1:] == ["38.1", "-13.1"]
    assert five["Mix/ON"] == [MISSING, "40.3", "-"]
    six = {row[0]: row[1:] for row in tables["table6"].rows}
    assert six["gamma = 1/8"] == [MISSING, "38.7", "-"] and six["gamma = 0"][2] == "+8.1"
    assert not any("OFF/ON" in row[0] for row in tables["table3_qwen2_5_math_1_5b"].rows)


def test_gates_of_another_model_are_those_found(tmp_path):
    run = entry(tmp_path, counts())
    assert [row[0] for row in tables_of(run)["table6_builtin"].rows] == [
        "gamma = 0", "gamma = 1/4", "gamma = 2/4",
    ]  # fmt: skip
    other = entry(tmp_path, counts(1), "hpt_gamma_3_4")
    rows = tables_of(run, other)["table6_builtin"].rows
    assert [row[0] for row in rows] == ["gamma = 0", "gamma = 3/4"] and MISSING not in rows[1]


def test_exclusive_solves_are_those_of_compare(tmp_path):
    levels = [str(1 + i % 3) for i in range(12)]
    a = {"math500": [(3 * i) % 5 for i in range(12)]}
    b = {"math500": [(2 * i + 1) % 5 for i in range(12)]}
    runs = [
        entry(tmp_path, a, "hpt", model="qwen2.5_math_7b", levels=levels),
        entry(tmp_path, b, "grpo", model="qwen2.5_math_7b", levels=levels),
    ]
    ((comparison,), _) = compare(runs[0].evaluation[0], runs[1].evaluation[0], resamples=10)
    rows, first = {}, ""
    for row in tables_of(*runs)["table4"].rows:
        first = row[0] or first
        rows[first, row[1]] = row[2:]
    for level, expected in comparison.levels.items():
        questions, measured, *_ = rows["HPT / GRPO", level]
        assert measured == f"+{expected.only_a} / -{expected.only_b}"
        assert int(questions) == sum(expected)
    assert rows["HPT / GRPO", "all"][2] == "+58 / -15"
    whole = comparison.levels["all"]
    assert rows["HPT / GRPO", "all"][3] == f"{whole.only_a - 58:+d} / {whole.only_b - 15:+d}"
    assert rows["HPT / LUFFY", "5"] == ["134", MISSING, "+22 / -7", "-"]


def test_exclusive_solves_over_seeds_of_pairs_with_one_seed(tmp_path):
    def run(method, seed, values):
        return entry(tmp_path, {"builtin/level_1": values}, method, seed, gold=str(seed + 1))

    table = tables_of(
        run("hpt", 0, [4, 4, 0]), run("grpo", 0, [0, 0, 4]),
        run("hpt", 1, [4, 4, 4]), run("grpo", 1, [0, 0, 0]), run("hpt", 2, [0, 0, 0]),
    )["table4_builtin"]  # fmt: skip
    assert table.rows[0] == ["HPT / GRPO", "level 1", "3", "+2.5 ± 0.5 / -0.5 ± 0.5"]
    assert any("Seeds: 0, 1." in note for note in table.notes)
    assert [r["seeds"] for r in records_of(table)][:2] == ["0 1", "0 1"]


def test_runs_on_other_questions_are_not_compared(tmp_path):
    runs = entry(tmp_path, {"a": [1, 2]}), entry(tmp_path, {"a": [1, 2]}, "grpo", gold="7")
    with pytest.raises(RunsError, match="different questions for builtin, hpt, seed 0"):
        make_tables(runs)


def test_unknown_methods_get_rows_and_are_named(tmp_path):
    table = tables_of(entry(tmp_path, counts()), entry(tmp_path, counts(1), "cautious|_100%"))["table2_builtin"]
    assert ("cautious|_100%", "measured") in rows_of(table)
    assert any("Not a method" in note and "cautious|_100%" in note for note in table.notes)
    lines = markdown(table).splitlines()
    (line,) = [line for line in lines if line.startswith("| cautious")]
    assert line.startswith(r"| cautious\|_100% | measured")
    assert r"cautious\textbar{}\_100\% & measured &" in latex(table)


def test_notes_on_sampling(tmp_path):
    second = evaluation(tmp_path / "second", {"builtin/level_2": [4, 4, 4]}, n=8)
    first = entry(tmp_path, counts())
    run = RunEntry("builtin", "hpt", 0, (), (*first.evaluation, second))
    table = tables_of(run)["table2_builtin"]
    assert any("the first counts: level 2." in note for note in table.notes)
    assert "Samples per question: 4." in table.notes
    hot = entry(tmp_path, counts(), "sft", sampling={**SAMPLING, "temperature": 1.0})
    assert any("different settings" in note for note in tables_of(run, hot)["table2_builtin"].notes)
    other_seed = entry(tmp_path, counts(), "grpo", sampling={**SAMPLING, "seed": 5})
    assert not any("alike" in note for note in tables_of(run, other_seed)["table2_builtin"].notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "without benchmarks"),
        (
            '{"benchmarks": {"a": {"value": 1}}, "incomplete": {}, "sampling": {}}',
            "benchmarks.a.standard_error",
        ),
    ],
)
def test_damaged_results_are_named(tmp_path, text, message):
    run = entry(tmp_path, {"a": [1]})
    (run.evaluation[0] / "results.json").write_text(text)
    with pytest.raises(RunsError, match=r"hpt eval report") as error:
        read_evaluation(run)
    assert message in str(error.value)


def test_damaged_question_records_are_named(tmp_path):
    runs = [entry(tmp_path, {"a": [1, 2]}), entry(tmp_path, {"a": [1, 2]}, "grpo")]
    file = runs[1].evaluation[0] / "questions.jsonl"
    lines = file.read_text().splitlines()
    file.write_text(json.dumps({"benchmark": "a"}) + "\n")
    with pytest.raises(RunsError, match=r"questions\.jsonl, which cannot be read"):
        make_tables(runs)
    file.write_text(lines[0].replace('"a"', '"b"') + "\n")
    with pytest.raises(RunsError, match=r"without a, which results\.json"):
        make_tables(runs)


def test_columns():
    assert columns_of(["gpqa", "math500", "aime24"]) == {
        "in_distribution": ("aime24", "math500"), "out_of_distribution": ("gpqa",),
    }  # fmt: skip
    assert columns_of(["builtin/level_10", "builtin/level_2"]) == {
        "in_distribution": ("builtin/level_2",), "out_of_distribution": ("builtin/level_10",),
    }  # fmt: skip
    assert columns_of(["gpqa"]) == {"in_distribution": ("gpqa",)}
    assert columns_of(["x", "math500"]) == {"in_distribution": ("math500", "x")}
    assert columns_of([]) == {}


def test_latex_text():
    assert latex_text(r"a_b & 5% ~ ^ # $ {x} \y <1|2> 3 ± 4") == (
        r"a\_b \& 5\% \textasciitilde{} \textasciicircum{} \# \$ \{x\} \textbackslash{}y "
        r"\textless{}1\textbar{}2\textgreater{} 3 $\pm$ 4"
    )
    assert latex_text("SFT -> GRPO") == r"SFT $\rightarrow$ GRPO"


def test_latex_of_a_table_has_as_many_cells_as_columns(tmp_path):
    for table in make_tables([entry(tmp_path, counts()), RunEntry("qwen2.5_math_7b", "hpt")]):
        text = latex(table)
        alignment = text.split(r"\begin{tabular}{")[1].split("}")[0]
        assert len(alignment) == len(table.header)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) == len(table.rows) + 1
        assert all(row.replace(r"\&", "").count("&") == len(alignment) - 1 for row in rows)
        assert text.count("{") == text.count("}")


def test_markdown_of_a_table_is_one_table(tmp_path):
    for table in make_tables([entry(tmp_path, counts()), RunEntry("llama3.1_8b", "hpt")]):
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert len(lines) == len(table.rows) + 2
        assert {line.count("|") for line in lines} == {len(table.header) + 1}


def test_a_sound_baseline_and_flops_are_beside_the_papers_rows(tmp_path):
    """FLOPs of two seeds of an SFT -> RL run by hand: N = 7e9, 6 N per trained token and 2 N per sampled one."""
    runs = []
    for seed, sampled in enumerate((300, 500)):
        folders = []
        for stage, (trained, drawn) in {"sft": (1000, 0), "rl": (400, sampled)}.items():
            folder = tmp_path / f"{seed}-{stage}"
            folder.mkdir()
            line = {"step": 1, "data": {"hpt/tokens_trained": trained, "hpt/tokens_sampled": drawn}}
            (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
            folders.append(folder)
        out = evaluation(tmp_path / f"eval-{seed}", {name: [1, 0, 1] for name in PAPER})
        runs.append(RunEntry("qwen2.5_math_7b", "sft_rl", seed, tuple(folders), (out,)))
    table = tables_of(*runs)["table2"]
    rows = rows_of(table)
    assert table.header[-1] == "FLOPs / 1e19"
    assert rows["SFT -> RL", "arXiv 2604.23747"]["Avg"] == "57.0 ± 0.3"
    assert rows["SFT -> RL", "arXiv 2604.23747"]["FLOPs / 1e19"] == "14.48"
    assert rows["SFT", "arXiv 2604.23747"]["AIME24"] == "33.6 ± 1.4"
    assert rows["LUFFY", "arXiv 2604.23747"]["Avg"] == "46.3" and rows["LUFFY", "published"]["Avg"] == "49.8"
    assert rows["HPT", "published"]["FLOPs / 1e19"] == "-"
    (flops,) = [float(r["measured"]) for r in records_of(table) if r["quantity"] == "FLOPs" and r["measured"]]
    assert flops == pytest.approx(mean(7e9 * (6 * 1400 + 2 * sampled) for sampled in (300, 500)))
    assert any("three seeds" in note for note in table.notes)
