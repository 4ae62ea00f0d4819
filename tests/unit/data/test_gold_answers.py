# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import multiprocessing

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.data.gold_answers import gold_answer_problems, read_gold_answers, unverifiable
from recipe.hpt.reproduction.task.questions import write_task

PROMPT = [{"role": "user", "content": "What is 1+1?"}]


def write(tmp_path, answers, name="x.parquet") -> str:
    """Write one row for each (answer, extra_info)."""
    rows = [
        {
            "prompt": PROMPT,
            "data_source": "sums",
            "reward_model": {"style": "rule", "ground_truth": answer},
            "extra_info": info,
        }
        for answer, info in answers
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    return str(tmp_path / name)


def problems(*paths, **options) -> list[tuple[int | None, str]]:
    found = gold_answer_problems(paths, workers=1, progress=False, **options)
    return [(problem.row, problem.reason) for problem in found]


def test_good_answers(tmp_path):
    answers = [("2", {"id": "a"}), (r"\frac{1}{2}", {"id": "b"}), ("$(1, 2)$", {"id": "c"})]
    assert problems(write(tmp_path, answers)) == []


def test_unverifiable_answers_are_named_with_their_rows(tmp_path):
    answers = [("2", None), ("{", None), ("3", None), ("{", None)]
    found = problems(write(tmp_path, answers))
    assert [row for row, _ in found] == [1, 3]
    assert all("the gold answer '{' cannot be verified: " in reason for _, reason in found)


def test_long_answers_are_shortened_in_the_message(tmp_path):
    ((_, reason),) = problems(write(tmp_path, [("{" * 200, None)]))
    assert len(reason) < 200 and "..." in reason


def test_kinds(tmp_path):
    answers = [
        ("C", {"verifier_kind": "choice"}),
        ("C and more", {"verifier_kind": "choice"}),
        ("2", {"verifier_kind": "code"}),
        ("2", {"verifier_kind": None}),
    ]
    (one, other) = problems(write(tmp_path, answers))
    assert one[0] == 1 and "cannot be verified" in one[1]
    assert other == (2, "unknown verifier_kind 'code', expected one of math, choice")


def test_repeated_ids(tmp_path):
    answers = [("2", {"id": name}) for name in ("a", "b", "a", None, None, "a")]
    path = write(tmp_path, answers)
    expected = [(2, "id 'a' is that of row 0, too"), (5, "id 'a' is that of row 0, too")]
    assert problems(path) == expected
    # The same id in another file is another question.
    assert problems(write(tmp_path, answers[:2], "y.parquet"), write(tmp_path, answers[:1], "z.parquet")) == []


def test_all_problems_in_the_order_of_files_and_rows(tmp_path):
    info = [{"id": "a", "verifier_kind": kind} for kind in ("math", "math", "other")]
    answers = [("{", info[0]), ("{", info[1]), ("2", info[2])]
    first, second = write(tmp_path, answers), write(tmp_path, answers[:1], "y.parquet")
    assert [row for row, _ in problems(first, second)] == [0, 1, 1, 2, 2, 0]
    without_answers = [row for row, _ in problems(first, second, gold=False)]
    assert without_answers == [1, 2, 2]


def test_a_file_without_extra_info(tmp_path):
    path = write(tmp_path, [("2", {"id": "a"})])
    table = pq.read_table(path).drop_columns("extra_info")
    pq.write_table(table, path)
    assert problems(path) == [] and read_gold_answers(path) == ([(0, ("2", "math"))], [])


def test_distinct_answers_are_checked_once(monkeypatch):
    asked = []

    def count(answers, **_):
        asked.append(list(answers))
        return ["bad" if answer == "{" else None for answer, _ in answers]

    monkeypatch.setattr("hpt.data.gold_answers.gold_problems", count)
    answers = [("1", "math"), ("{", "math"), ("1", "math"), ("1", "choice")]
    assert unverifiable(answers) == {("{", "math"): "bad"}
    assert asked == [[("1", "math"), ("{", "math"), ("1", "choice")]]


def test_integers_need_no_worker(tmp_path):
    # The files of the built-in task pass with a pool that cannot start.
    paths = write_task(tmp_path, train_size=500, val_per_level=5)
    before = multiprocessing.active_children()
    assert gold_answer_problems([str(path) for path in paths], workers=10**6) == []
    assert multiprocessing.active_children() == before
