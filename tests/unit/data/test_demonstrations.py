# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations against the gold answers of their questions."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.errors import DataError
from hpt.data.checks import check_files
from hpt.data.degradation import Degradation, degrade_file
from hpt.data.demonstrations import covered_file, verify_demonstrations, write_accepted, write_with_covered
from hpt.data.inspection import inspect_file
from hpt.data.writing import manifest_path, read_manifest
from recipe.hpt.reproduction.task.questions import write_task

SOLUTIONS = (r"\boxed{2}", r"so \boxed{3}", "It is.", None, r"\boxed{4/2}", " ")


def row(index: int, target: object) -> dict:
    return {
        "prompt": [{"role": "user", "content": f"What is {index}?"}],
        "data_source": "math",
        "reward_model": {"style": "rule", "ground_truth": "2"},
        "extra_info": {"index": index, "id": f"q{index}", "verifier_kind": "math"},
        "target": target,
    }


@pytest.fixture
def file(tmp_path):
    pq.write_table(pa.Table.from_pylist([row(*each) for each in enumerate(SOLUTIONS)]), tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


def test_refused_ones_are_named_with_what_was_found(file):
    verified = verify_demonstrations(file, progress=False)
    assert (verified.rows, verified.demonstrations) == (6, 4)
    found = [(each.row, each.id, each.gold, each.verdict.reason, each.verdict.extracted) for each in verified.refused]
    assert found == [(1, "q1", "2", "wrong", "3"), (2, "q2", "2", "no_answer", None)]


def test_a_copy_lacks_them_and_keeps_all_else(file, tmp_path):
    out = tmp_path / "out.parquet"
    written = write_accepted(file, out, verify_demonstrations(file, progress=False))
    assert written == [covered_file(out), out]
    before, after, covered = (pq.read_table(path).to_pylist() for path in (file, out, covered_file(out)))
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new == {**old, "target": None if number in (1, 2) else old["target"]}
    assert covered == [after[0], after[4]]
    assert read_manifest(out)["counts"] == {
        "questions": 6, "demonstrations": 4, "refused": {"no_answer": 1, "wrong": 1},
    }  # fmt: skip
    assert not inspect_file(str(out), progress=False).problems
    again = verify_demonstrations(out, progress=False)
    assert (again.demonstrations, again.refused) == (2, [])


def test_it_finds_what_was_made_wrong_and_nothing_else(tmp_path):
    train, _ = write_task(tmp_path, train_size=60, val_per_level=2)
    assert verify_demonstrations(train, progress=False).refused == []
    out = tmp_path / "worse.parquet"
    degrade_file(train, out, Degradation(wrong_step=0.3, coverage=0.5), progress=False)
    made = {number for number, each in enumerate(pq.read_table(out, columns=["extra_info"]).to_pylist())
            if each["extra_info"]["demonstration"] == "wrong_step"}  # fmt: skip
    verified = verify_demonstrations(out, progress=False)
    assert verified.demonstrations == 30 and {each.row for each in verified.refused} == made and len(made) == 9
    write_accepted(out, tmp_path / "right.parquet", verified)
    (checked,) = check_files(str(covered_file(tmp_path / "right.parquet")), require_target=True)
    assert checked.rows == checked.with_target == 21
    after = pq.read_table(tmp_path / "right.parquet").to_pylist()
    marks = {number: each["extra_info"]["demonstration"] for number, each in enumerate(after)}
    assert {number for number, mark in marks.items() if mark == "right"} == {
        number for number, each in enumerate(after) if each["target"] is not None
    }
    assert set(marks.values()) == {"right", "none"}


def test_an_earlier_file_of_covered_questions_is_removed_where_all_are_covered(tmp_path):
    train, _ = write_task(tmp_path, train_size=10, val_per_level=2)
    out = tmp_path / "out.parquet"
    for path in (covered_file(out), manifest_path(covered_file(out))):
        path.write_bytes(b"of other rows")
    verified = verify_demonstrations(train, progress=False)
    assert write_accepted(train, out, verified, overwrite=True) == [out]
    assert not covered_file(out).exists() and not manifest_path(covered_file(out)).exists()


@pytest.mark.parametrize(
    ("solutions", "out", "message"),
    [
        ([r"\boxed{3}"], "out.parquet", "the verifier refuses every demonstration of .*nothing was written"),
        (SOLUTIONS, "train.parquet", "which would replace .*train.parquet; name another"),
        (SOLUTIONS, "out.json", "expected a name that ends in .parquet"),
        (SOLUTIONS, "there.parquet", "there.parquet exists; name another file, or write over it with --overwrite"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, solutions, out, message):
    file = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist([row(*each) for each in enumerate(solutions)]), file)
    (tmp_path / "there.parquet").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        write_accepted(file, tmp_path / out, verify_demonstrations(file, progress=False))
    assert sorted(tmp_path.iterdir()) == before


def test_a_column_that_may_not_be_null_and_rows_without_extra_info_are_written(tmp_path):
    rows = [
        {name: value for name, value in row(*each).items() if name != "extra_info"} for each in enumerate(SOLUTIONS[:2])
    ]
    table = pa.Table.from_pylist(rows)
    place = table.schema.get_field_index("target")
    pq.write_table(
        table.cast(table.schema.set(place, pa.field("target", pa.string(), nullable=False))), tmp_path / "a.parquet"
    )
    verified = verify_demonstrations(tmp_path / "a.parquet", progress=False)
    assert [each.id for each in verified.refused] == ["math/1"]
    write_accepted(tmp_path / "a.parquet", tmp_path / "b.parquet", verified)
    assert [each["target"] for each in pq.read_table(tmp_path / "b.parquet").to_pylist()] == [SOLUTIONS[0], None]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ("text", "column 'extra_info' is string"),
        ({"id": "q", "verifier_kind": "nope"}, "row 1: unknown verifier_kind"),
    ],
)
def test_rows_that_cannot_be_judged_are_named_before_the_work(tmp_path, info, message):
    rows = [row(0, r"\boxed{2}"), row(1, r"\boxed{3}")]
    for each in rows if info == "text" else rows[1:]:
        each["extra_info"] = info
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=message):
        verify_demonstrations(tmp_path / "train.parquet", progress=False)


def test_a_file_that_another_process_makes_meanwhile_is_not_replaced(file, tmp_path):
    out = tmp_path / "out.parquet"

    def rows():
        out.write_bytes(b"of another process")
        yield from pq.read_table(file).to_pylist()

    with pytest.raises(ValueError, match=r"out\.parquet exists; name another file"):
        write_with_covered(out, pq.read_schema(file), rows(), True, False, dict)
    assert out.read_bytes() == b"of another process"


def test_a_file_without_demonstrations_is_refused(tmp_path):
    pq.write_table(pa.Table.from_pylist([row(0, None), row(1, "")]), tmp_path / "train.parquet")
    with pytest.raises(DataError):
        verify_demonstrations(tmp_path / "train.parquet", progress=False)
