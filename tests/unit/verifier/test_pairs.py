# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs with known verdicts, and what must hold for every answer: notation, symmetry, each part of it counts."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.verifier.__main__ import read_pairs
from hpt.verifier import Verdict, extract_answer, normalize_gold
from hpt.verifier.judge import examine, gold_kind, judge, readings
from hpt.verifier.mutate import mutations

pytestmark = pytest.mark.slow

PAIRS = read_pairs()
# Refused although they are right, each with the reason.
KNOWN = {
    (r"y=\frac6x", "xy=6"): "equations that are no multiples of each other by a number are not compared",
}
ANSWERS = sorted({normalize_gold(str(pair["gold"])) for pair in PAIRS if pair["verifier"] == "math"})
EXACT = [gold for gold in ANSWERS if gold_kind(gold) == "exact"]
PIECES = [
    *"0123456789xyzie(){}[]^_+-*/=<>|,;:!%'\\ .&$\u00b2\u4e07",
    r"\frac", r"\pm", r"\sum_{k=1}^{", r"\begin{cases}", r"\text{", r"\in", r"\{", r"\ldots", r"\infty",
]  # fmt: skip
# Notations that change nothing.
NOTATIONS = (
    "${}$", r"\({}\)", "{}.", "  {} ", r"\displaystyle {}", r"\mathbf{{{}}}", "{{{}}}", r"\boxed{{{}}}",
    r"\left.{}\right.", r"\textcolor{{red}}{{{}}}", r"{}\,",
)  # fmt: skip


def score(response, gold, kind):
    step = examine(response, gold, kind)
    return (step if isinstance(step, Verdict) else judge(*step[:2])).score


@pytest.mark.parametrize("kind", sorted({pair["kind"] for pair in PAIRS}))
def test_pairs_of_a_kind(kind):
    wrong = [
        (pair["response"], pair["gold"], pair["score"])
        for pair in PAIRS
        if pair["kind"] == kind
        and score(pair["response"], str(pair["gold"]), pair["verifier"]) != pair["score"]
        and (extract_answer(pair["response"]), pair["gold"]) not in KNOWN
    ]
    assert wrong == []


def test_what_is_known_to_be_refused_is_refused():
    assert all(judge(*pair).score == 0.0 for pair in KNOWN)


def test_it_does_not_matter_which_side_is_the_gold_answer():
    both = [
        (extract_answer(pair["response"]), normalize_gold(str(pair["gold"])))
        for pair in PAIRS
        if pair["verifier"] == "math"
    ]
    exact = [(answer, gold) for answer, gold in both if answer and readings(answer) and readings(gold)]
    assert len(exact) > 1000
    assert [pair for pair in exact if judge(*pair).score != judge(*reversed(pair)).score] == []


@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_gold_answer_is_right_for_itself_in_any_notation(notation):
    # A text that ends in a full stop is another one with two.
    answers = [gold for gold in ANSWERS if gold and not (notation == "{}." and gold.endswith("."))]
    assert [gold for gold in answers if judge(notation.format(gold), gold).score == 0.0] == []


def test_each_part_of_a_gold_answer_counts():
    changed = [(change, gold) for gold in EXACT for _, change in mutations(gold)]
    assert len(changed) > 1000
    assert [pair for pair in changed if judge(*pair).score == 1.0] == []


def test_another_questions_answer_is_wrong():
    rng = random.Random(0)
    chosen = [(rng.choice(EXACT), rng.choice(EXACT)) for _ in range(3000)]
    accepted = {pair for pair in chosen if judge(*pair).score == 1.0}
    assert len(accepted) < 0.02 * len(chosen)  # the same value in two notations
    assert all(judge(gold, answer).score == 1.0 for answer, gold in accepted)


@settings(deadline=None, max_examples=150)
@given(gold=st.sampled_from(EXACT), before=st.text("abc \n$\\{", max_size=20), spaces=st.integers(1, 3))
def test_text_before_the_box_and_spaces_around_change_nothing(gold, before, spaces):
    padding = " " * spaces
    assert score(rf"{before} \boxed{{{padding}{gold}{padding}}}", gold, "math") == 1.0


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(EXACT))
def test_any_text_gets_a_verdict(text, gold):
    for pair in ((text, gold), (gold, text)):
        assert judge(*pair).reason in ("correct", "wrong", "unparsable")


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [("1,625", {"1625"}), ("0,1", set()), ("(1,234)", set())],
)
def test_digits_in_groups_are_one_number_outside_brackets_only(answer, numbers):
    assert {number for number in ("1625", "01", "1234") if judge(answer, number).score} == numbers
