# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gold answers that no response could match are named before they silently cost a run its rewards."""

import pytest

from hpt.verifier import REASONS
from hpt.verifier.gold import _WHY, gold_problems


def test_good_gold_answers_have_no_problem():
    answers = [
        ("7", "math"),
        (r"\boxed{\frac{1}{2}}", "math"),
        (r"\text{east}", "math"),
        ("$x^2+1$", "math"),
    ]
    assert gold_problems([*answers, ("(C)", "choice"), *answers], workers=1, progress=False) == [None] * 9


def test_bad_ones_are_named_in_place():
    answers = [
        ("", "math"),
        ("7", "math"),
        ("???", "math"),
        ("K", "choice"),
        ("???", "math"),
        ("{" * 200, "math"),
    ]
    problems = gold_problems(answers, workers=1, progress=False)
    assert [problem is None for problem in problems] == [False, True, False, False, False, False]
    assert problems[0] == "it is empty"
    assert "the parser does not understand it" in problems[2]
    assert "letter from A to J" in problems[3]
    assert problems[4] == problems[2]
    assert "longer or nested deeper" in problems[5]


def test_every_way_to_fail_has_its_words():
    assert set(_WHY) == set(REASONS) - {"correct", "no_answer"}


def test_integers_and_letters_need_no_worker(monkeypatch):
    def no_pool(*_):
        raise AssertionError("a worker was started")

    monkeypatch.setattr("hpt.verifier.gold.VerifierPool", no_pool)
    assert gold_problems([("7", "math"), ("-12", "math"), ("B", "choice")]) == [None] * 3


def test_an_unknown_kind_is_the_callers_mistake():
    with pytest.raises(ValueError, match=r"'poem'\. Available: math, choice"):
        gold_problems([("7", "poem")])


def test_progress_is_shown_on_request(capsys):
    gold_problems([("1/2", "math")], workers=1)
    assert "gold answers" in capsys.readouterr().err
    gold_problems([("1/2", "math")], workers=1, progress=False)
    assert capsys.readouterr().err == ""
