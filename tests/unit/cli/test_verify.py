# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt verify``: one answer, the gold answers of a file, and changes to them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.cli import main


@pytest.fixture
def answers(tmp_path):
    """answers(*values) -> a JSON file with a column of answers."""

    def write(*values):
        path = tmp_path / "answers.json"
        path.write_text(json.dumps([{"answer": value} for value in values]))
        return str(path)

    return write


def test_check_says_how_the_gold_answer_is_compared(capsys):
    assert main(["verify", "check", r"so \boxed{042}", "42"]) == 0
    assert capsys.readouterr().out == "score 1, correct, extracted '042', gold answer exact\n"
    main(["verify", "check", r"\boxed{east}", r"\text{West}"])
    assert capsys.readouterr().out == "score 0, wrong, extracted 'east', gold answer text\n"
    main(["verify", "check", r"\boxed{8}", "(1)(3)(4)"])
    assert capsys.readouterr().out == "score 0, unparsable, extracted '8', gold answer unverifiable\n"


def test_gold_counts_answers_by_how_they_are_compared(answers, capsys):
    assert main(["verify", "gold", answers(7, "7", r"\frac{1}{2}", r"\text{east}"), "--markdown"]) == 0
    out = capsys.readouterr().out
    assert [line.split("|")[1:4] for line in out.splitlines()[2:]] == [
        [" exact    ", " 3         ", " 2                "],
        [" text     ", " 1         ", " 1                "],
    ]
    assert "east" in out
    assert main(["verify", "gold", answers("7", "(1)(3)(4)"), "--markdown"]) == 1
    assert "'(1)(3)(4)'" in capsys.readouterr().out


def test_gold_reads_question_files(tmp_path, capsys):
    path = tmp_path / "questions.parquet"
    rows = {
        "reward_model": [{"ground_truth": "7"}, {"ground_truth": "B"}],
        "extra_info": [{"verifier_kind": "math"}, {"verifier_kind": "choice"}],
    }
    pq.write_table(pa.table(rows), path)
    assert main(["verify", "gold", str(path)]) == 0
    assert capsys.readouterr().out.split()[-3:] == ["exact", "2", "2"]


def test_mutate_finds_no_change_that_is_accepted(answers, capsys):
    file = answers(r"\frac{3}{4}", "(-1, 2]", "x^2-2x", "1, 5", r"x \le 3")
    assert main(["verify", "mutate", file, "--no-progress", "--markdown"]) == 0
    changes = {line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()[2:]}
    assert changes == {"digit", "sign", "minus", "bracket", "variable", "dropped", "relation"}


def test_mutate_names_what_is_accepted(answers, capsys, monkeypatch):
    monkeypatch.setattr("hpt.verifier.mutate.mutations", lambda answer, *_: [("none", f"{answer}.0")])
    assert main(["verify", "mutate", answers("7"), "--no-progress"]) == 1
    assert "none: '7.0' for '7'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["gold", "missing.json"], "missing.json"),
        (["mutate", "{file}", "--column", "gold"], "no column gold"),
        (["gold", "{file}"], "row 1: got the gold answer None; expected text or a number"),
        (["gold", "{nan}"], "row 0: got the gold answer nan; expected text or a number"),
        (["gold", "{folder}"], "expected a file of questions"),
        (["check", "x", "y", "--kind", "poem"], "poem"),
    ],
)
def test_a_mistake_gets_one_line(words, named, answers, tmp_path, capsys):
    file, nan = answers("7", None), tmp_path / "nan.json"
    nan.write_text('[{"answer": NaN}]')
    assert main(["verify", *(word.format(file=file, nan=nan, folder=tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and named in error and "Traceback" not in error
