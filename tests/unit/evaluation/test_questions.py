# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pyarrow as pa
import pytest

from hpt.common.errors import DataError
from hpt.evaluation.questions import Question, load_benchmarks
from tests.unit.evaluation.helpers import row, write


def info(number=0, **changes):
    return {**row(number)["extra_info"], **changes}


def test_questions_in_the_order_of_the_file(tmp_path):
    file = write(tmp_path / "a.parquet", [row(3), row(1), row(2, name="other")])
    tiny, other = load_benchmarks([str(file)])
    assert (tiny.name, other.name, tiny.file) == ("tiny", "other", str(file))
    assert [question.id for question in tiny.questions] == ["q3", "q1"]
    assert tiny.questions[0] == Question("q3", ({"role": "user", "content": "03+1x1="},), "3", "math", "2", None)
    assert Question.from_json(tiny.questions[0].to_json()) == tiny.questions[0]


def test_ids_and_kinds_where_the_file_has_none(tmp_path):
    bare = [{key: value for key, value in row(i).items() if key != "extra_info"} for i in range(2)]
    (benchmark,) = load_benchmarks([str(write(tmp_path / "a.parquet", bare))])
    assert [(each.id, each.kind, each.level) for each in benchmark.questions] == [
        ("tiny/0", "math", None),
        ("tiny/1", "math", None),
    ]


def test_unverifiable_gold_answers_are_kept_or_dropped(tmp_path):
    file = str(write(tmp_path / "a.parquet", [row(0), {**row(1), "reward_model": {"ground_truth": "(1)(3)(4)"}}]))
    with pytest.raises(DataError, match=r"row 1: .*cannot be verified"):
        load_benchmarks([file])
    (kept,) = load_benchmarks([file], "keep")
    assert len(kept.questions) == 2 and kept.comparison() == "1 exact, 1 unverifiable"
    (dropped,) = load_benchmarks([file], "drop")
    assert [question.id for question in dropped.questions] == ["q0"]


def test_rows_that_repeat_questions_are_counted_and_half_of_them_refused(tmp_path):
    def again(number, times):
        return [{**row(number), "extra_info": info(number, id=f"{number} again {time}")} for time in range(times)]

    (benchmark,) = load_benchmarks([str(write(tmp_path / "a.parquet", [row(0), row(1), row(2), *again(1, 1)]))])
    assert benchmark.repeats == 1 and benchmark.comparison().endswith("; 1 questions repeat an earlier one")
    file = str(write(tmp_path / "b.parquet", [row(0), row(1), *again(0, 31), *again(1, 31)]))
    with pytest.raises(DataError, match=r"62 of 64 rows of 'tiny' repeat an earlier question.*n\.tiny for its samples"):
        load_benchmarks([file])


def test_an_empty_kind_is_the_default_as_in_training(tmp_path):
    file = write(tmp_path / "a.parquet", [row(1, extra_info=info(1, verifier_kind=""))])
    (benchmark,) = load_benchmarks([str(file)])
    assert [question.kind for question in benchmark.questions] == ["math"]


def test_digest_follows_the_questions_alone(tmp_path):
    rows = [row(1), row(2)]
    (first,) = load_benchmarks([str(write(tmp_path / "a.parquet", rows))])
    more = [{**each, "target": "a solution"} for each in rows]
    (second,) = load_benchmarks([str(write(tmp_path / "b.parquet", more))])
    (other,) = load_benchmarks([str(write(tmp_path / "c.parquet", rows[::-1]))])
    assert first.digest() == second.digest() != other.digest()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1), row(1)], "row 1: id 'q1' is that of row 0, too"),
        ([row(1, extra_info=info(1, id="q2")), row(2)], "id 'q2' is that of row 0, too"),
        ([row(1, extra_info=info(1, verifier_kind="essay"))], "unknown verifier_kind 'essay', expected one of"),
        ([row(1, reward_model={"style": "rule", "ground_truth": ""})], "ground_truth is empty"),
        ([row(1), row(2, reward_model={"style": "rule", "ground_truth": None})], "row 1: ground_truth is null"),
        ([{key: value for key, value in row(1).items() if key != "reward_model"}], "no column 'reward_model'"),
        ([row(1, prompt=[])], "prompt is"),
        ([row(1), row(2, reward_model={"style": "rule", "ground_truth": "{"})], "row 1: the gold answer '{' cannot be"),
    ],
)  # fmt: skip
def test_bad_rows(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        load_benchmarks([str(write(tmp_path / "a.parquet", rows))])


def test_bad_files(tmp_path):
    good = write(tmp_path / "good.parquet", [row(1)])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-30])
    table = pa.Table.from_pylist([row(1)])
    empty = write(tmp_path / "empty.parquet", [], table.schema)
    nothing = tmp_path / "nothing.parquet"
    nothing.write_bytes(b"")
    twice = write(tmp_path / "twice.parquet", [row(7)])
    for file, message in (
        (cut, "may be truncated"), (empty, "has 0 rows"), (nothing, "cannot be read as parquet"),
        (tmp_path / "absent.parquet", "does not exist"), (tmp_path / "a.jsonl", "is not .parquet"),
        (twice, "expected a benchmark in one file"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            load_benchmarks([str(good), str(file)])
    assert len(load_benchmarks([str(good), str(good)])) == 1
