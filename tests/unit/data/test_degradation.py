# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.cli import main
from hpt.data.checks import check_files, solution_text
from hpt.data.degradation import Degradation, degrade_file
from hpt.data.demonstrations import covered_file
from hpt.data.gold_answers import gold_answer_of
from hpt.data.inspection import inspect_file
from hpt.data.writing import read_manifest
from hpt.verifier import shared_pool
from recipe.hpt.reproduction.task.demonstrations import KINDS

ANSWERS = ("42", r"\frac{3}{4}", r"[0,\infty)", "even", r"(1,2)", r"\sqrt{3}", "1,000", r"50\%")
ROWS = 80
NUMBERLESS, REFUSED = ROWS // len(ANSWERS), 2


def row(index: int, **changes) -> dict:
    answer = ANSWERS[index % len(ANSWERS)]
    good = {
        "data_source": "made",
        "prompt": [{"role": "user", "content": f"Question {index}?"}],
        "target": [
            {"role": "assistant", "content": f"<think>\nhm\n</think>\n\nIt is ${answer}$.\n\n\\boxed{{{answer}}}"}
        ],
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"index": index, "id": f"q{index}", "verifier_kind": "math"},
    }
    return good | changes


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "train.parquet"
    rows = [row(index) for index in range(ROWS)]
    for index in (0, 8):  # the verifier refuses these two as they are
        rows[index]["target"][0]["content"] = r"\boxed{17}"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def degraded(file, tmp_path):
    """Settings -> the rows of the file that they make."""

    def make(**settings) -> list[dict]:
        out = tmp_path / "out.parquet"
        degrade_file(file, out, Degradation(**settings), overwrite=True, progress=False)
        return pq.read_table(out).to_pylist()

    return make


def kinds(rows: list[dict]) -> list[str]:
    return [each["extra_info"]["demonstration"] for each in rows]


def of_kind(rows: list[dict], kind: str) -> dict[str, object]:
    """Question -> target."""
    found = zip(rows, kinds(rows), strict=True)
    return {each["prompt"][0]["content"]: each["target"] for each, its in found if its == kind}


def scores(rows: list[dict]) -> list[float]:
    answered = [(solution_text(each["target"]), *gold_answer_of(each)) for each in rows]
    return [verdict.score for verdict in shared_pool().verify_many(answered)]


# ---- what is written ----


def test_wrong_ones_are_refused_right_ones_untouched_and_all_else_stays(file, degraded, tmp_path):
    before = pq.read_table(file).to_pylist()
    after = degraded(wrong_step=0.5)
    assert kinds(after).count("wrong_step") == ROWS / 2 and set(kinds(after)) == {"right", "wrong_step"} < set(KINDS)
    for old, new, kind, score in zip(before, after, kinds(after), scores(after), strict=True):
        assert new["extra_info"].pop("demonstration") == kind
        assert {**new, "target": None} == {**old, "target": None}
        assert (new["target"] == old["target"]) == (kind == "right")
        if old["target"][0]["content"] != r"\boxed{17}":
            assert score == (kind == "right")
    assert not covered_file(tmp_path / "out.parquet").exists()


def test_a_changed_answer_that_is_still_right_is_not_taken_for_a_wrong_one(tmp_path):
    rows = [row(index) for index in range(20)]
    for each in rows:  # 6^0 equals 5^0; only another exponent is wrong
        each["target"][0]["content"] = r"\boxed{5^0}"
        each["reward_model"]["ground_truth"] = "5^0"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "powers.parquet")
    degrade_file(tmp_path / "powers.parquet", tmp_path / "out.parquet", Degradation(wrong_step=1.0), progress=False)
    after = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert kinds(after) == ["wrong_step"] * 20 and scores(after) == [0.0] * 20


def test_coverage_takes_demonstrations_away_and_writes_the_others_apart(file, tmp_path):
    out = tmp_path / "out.parquet"
    done = degrade_file(file, out, Degradation(coverage=0.25), progress=False)
    rows, covered = (pq.read_table(path).to_pylist() for path in (out, covered_file(out)))
    assert kinds(rows).count("none") == ROWS * 3 / 4
    assert covered == [each for each in rows if each["target"] is not None] and len(covered) == ROWS / 4
    assert done.written == [covered_file(out), out]
    (all_have,) = check_files(covered_file(out), require_target=True)
    assert all_have.rows == all_have.with_target
    assert not inspect_file(str(out), progress=False).problems  # the manifest agrees, too


def test_what_cannot_end_wrong_is_counted(file, tmp_path):
    out = tmp_path / "out.parquet"
    done = degrade_file(file, out, Degradation(wrong_step=0.1), progress=False)
    assert (done.refused, done.unchangeable) == (REFUSED, NUMBERLESS)
    manifest = read_manifest(out)
    assert manifest["settings"] == {"wrong_step": 0.1, "coverage": 1.0, "seed": 0}
    assert manifest["counts"] == {
        "right": 72, "wrong_step": 8, "none": 0, "refused": REFUSED, "unchangeable": NUMBERLESS,
    }  # fmt: skip
    assert degrade_file(file, tmp_path / "b.parquet", Degradation(coverage=0.5), progress=False).refused is None


def test_targets_that_are_texts_stay_texts_and_missing_ones_missing(tmp_path):
    rows = [row(0, target=r"\boxed{42}", extra_info=None), row(1, target=None, extra_info=None)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    degrade_file(tmp_path / "a.parquet", tmp_path / "b.parquet", Degradation(wrong_step=1.0), progress=False)
    text, missing = pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert text["target"].startswith(r"\boxed{") and text["target"] != r"\boxed{42}"
    assert missing["target"] is None and kinds([text, missing]) == ["wrong_step", "none"]


# ---- shares and seeds ----


@pytest.mark.parametrize("coverage", [1.0, 0.5])
def test_shares_of_wrong_ones_are_nested_with_the_same_mistakes(degraded, coverage):
    found = [of_kind(degraded(wrong_step=share, coverage=coverage), "wrong_step") for share in (0.1, 0.3, 0.5)]
    assert [len(each) for each in found] == [int(share * coverage * ROWS + 0.5) for share in (0.1, 0.3, 0.5)]
    for fewer, more in pairwise(found):
        assert fewer.items() <= more.items()


def test_shares_of_covered_ones_are_nested(degraded):
    found = [of_kind(degraded(coverage=share), "right").keys() for share in (0.05, 0.25, 0.5)]
    assert [len(each) for each in found] == [4, 20, 40]
    assert found[0] < found[1] < found[2]


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_choices(file, tmp_path):
    written = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / name / "out.parquet"
        degrade_file(file, out, Degradation(wrong_step=0.3, coverage=0.5, seed=seed), progress=False)
        written[name] = (out.read_bytes(), covered_file(out).read_bytes())
        written[f"{name} rows"] = pq.read_table(out).to_pylist()
    assert written["a"] == written["b"]
    for kind in ("wrong_step", "right"):
        assert of_kind(written["a rows"], kind).keys() != of_kind(written["c rows"], kind).keys()


def test_the_choice_depends_on_the_questions_not_on_their_order(file, degraded, tmp_path):
    rows = pq.read_table(file).to_pylist()
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "turned.parquet")
    degrade_file(
        tmp_path / "turned.parquet", tmp_path / "t.parquet", Degradation(wrong_step=0.3, coverage=0.5), progress=False
    )
    turned = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert turned[::-1] == degraded(wrong_step=0.3, coverage=0.5)


# ---- the command ----


def degrade(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["data", "degrade", "--no-progress", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_command_prints_the_counts(file, tmp_path, capsys):
    out = tmp_path / "out.parquet"
    status, printed, err = degrade(capsys, file, "--out", out, "--wrong-step", 0.5, "--coverage", 0.5)
    assert (status, err) == (0, "")
    counts = [int(line.split()[-1]) for line in printed.splitlines() if line.strip()[-1:].isdigit()]
    assert counts[:3] == [20, 20, 40]
    assert f"wrote {out}" in printed and f"wrote {covered_file(out)}" in printed


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--wrong-step", 1.5), "wrong_step=1.5"),
        (("--wrong-step", "nan"), "wrong_step=nan"),
        (("--coverage", 0), "coverage=0.0"),
        (("--coverage", 0.001), "coverage=0.001 of 80 demonstrations, which keeps none"),
        (("--wrong-step", 0.9), "choose at most 0.85"),
        ((), "wrong_step=0 and coverage=1"),
    ],
)
def test_bad_shares_are_refused_and_nothing_is_written(file, tmp_path, capsys, options, part):
    status, out, err = degrade(capsys, file, "--out", tmp_path / "out.parquet", *options)
    assert (status, out) == (2, "") and part in err and err.count("error: ") == 1 and "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("name", ["a.parquet", "a_covered.parquet"])
def test_the_file_itself_is_never_replaced(file, tmp_path, capsys, name, overwrite):
    given = tmp_path / name
    given.write_bytes(file.read_bytes())
    status, _, err = degrade(capsys, given, "--out", tmp_path / "a.parquet", "--coverage", 0.5, *overwrite)
    assert status == 2 and "name another" in err and given.read_bytes() == file.read_bytes()


def test_files_that_cannot_be_degraded(file, tmp_path, capsys):
    schema = pq.read_schema(file)
    bare = {"extra_info": "text"}
    files = {
        "without.parquet": (pa.Table.from_pylist([row(0)]).drop_columns("target"), "no column 'target'"),
        "null.parquet": (pa.Table.from_pylist([row(0, target=None)], schema=schema), "no row has a demonstration"),
        "empty.parquet": (pa.Table.from_pylist([], schema=schema), "0 rows"),
        "text.parquet": (pa.Table.from_pylist([row(0, **bare)]), "extra_info"),
        "kind.parquet": (pa.Table.from_pylist([row(0, extra_info={"verifier_kind": "code"})]), "code"),
    }
    for name, (table, part) in files.items():
        pq.write_table(table, tmp_path / name)
        status, _, err = degrade(capsys, tmp_path / name, "--out", tmp_path / "out.parquet", "--wrong-step", 1)
        assert status == 2 and part in err and "Traceback" not in err, name
    assert degrade(capsys, file, "--out", tmp_path / "once.parquet", "--coverage", 0.5)[0] == 0
    again = degrade(capsys, tmp_path / "once.parquet", "--out", tmp_path / "twice.parquet", "--coverage", 0.5)
    assert again[0] == 2 and "expected the file that it was made from" in again[2]
    exists = degrade(capsys, file, "--out", tmp_path / "once.parquet", "--coverage", 0.5)
    assert exists[0] == 2 and "--overwrite" in exists[2]
    assert not (tmp_path / "twice.parquet").exists()


def test_an_earlier_file_of_covered_questions_goes_with_its_settings(file, tmp_path):
    out = tmp_path / "out.parquet"
    degrade_file(file, out, Degradation(coverage=0.5), progress=False)
    degrade_file(file, out, Degradation(wrong_step=0.5), overwrite=True, progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "out.parquet.manifest.json"}
