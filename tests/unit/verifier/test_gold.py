# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gold answers that hardly a response could match are named before they silently cost a run its rewards."""

import pytest

from hpt.verifier.gold import gold_problems, kind_of_gold


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
    assert "does not understand it" in problems[2]
    assert "letter from A to J" in problems[3]
    assert problems[4] == problems[2]
    assert "longer or nested deeper" in problems[5]


@pytest.mark.parametrize(
    ("answer", "kind", "compared"),
    [
        ("7", "math", "exact"),
        (r"\frac{1}{2}", "math", "exact"),
        (r"\text{east}", "math", "text"),
        ("concave up when $x<0$", "math", "text"),
        ("\u5145\u8981\u6761\u4ef6", "math", "text"),
        ("(1)(3)(4)", "math", "unverifiable"),
        ("", "math", "unverifiable"),
        ("{" * 200, "math", "unverifiable"),
        ("B", "choice", "exact"),
        ("K", "choice", "unverifiable"),
        ("anything", "test_endless", None),
    ],
)
def test_how_a_gold_answer_is_compared(answer, kind, compared):
    assert kind_of_gold(answer, kind) == compared


def test_no_worker_is_started_without_a_users_own_kind(monkeypatch):
    def no_pool(*_):
        raise AssertionError("a worker was started")

    monkeypatch.setattr("hpt.verifier.gold.VerifierPool", no_pool)
    assert gold_problems([("7", "math"), (r"\sqrt{2}", "math"), ("B", "choice")], progress=False) == [None] * 3


def test_a_users_verifier_that_wants_too_much_memory_is_named():
    (problem,) = gold_problems([("7", "test_memory")], workers=1, progress=False)
    assert problem == "its verifier takes more memory than the limit with it"


def test_an_unknown_kind_is_the_callers_mistake():
    with pytest.raises(ValueError, match=r"'poem'\. Available: math, choice"):
        gold_problems([("7", "poem")])


def test_progress_is_shown_on_request(capsys):
    gold_problems([("1/2", "math")], workers=1)
    assert "gold answers" in capsys.readouterr().err
    gold_problems([("1/2", "math")], workers=1, progress=False)
    assert capsys.readouterr().err == ""
