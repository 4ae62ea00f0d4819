# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from hpt.data.mistakes import ERRORS, TRIES, with_answer, wrong_answers
from hpt.verifier import extract_answer

ANSWERS = [
    "42", "0", "9", "10", r"\frac{3}{4}", r"\frac12", r"[0,\infty)", "(2, 3]", "1,000", "0.05", "x^9 + 1", r"50\%",
    r"x_1 = 2", "$12$", r"\text{3 cm}",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_wrong_answer_differs_in_one_number_of_as_many_digits(answer):
    solution = rf"So it is. \boxed{{{answer}}}"
    others = wrong_answers(solution, "seed")
    assert 0 < len(others) <= TRIES and len(set(others)) == len(others) and answer not in others
    for other in others:
        assert len(other) == len(answer)
        assert with_answer(solution, other) == rf"So it is. \boxed{{{other}}}"


def test_the_errors_are_slips_and_the_seed_orders_them():
    values = wrong_answers(r"\boxed{50}", "0")
    assert sorted(int(value) - 50 for value in values) == sorted(ERRORS)
    assert wrong_answers(r"\boxed{50}", "0") == values
    assert any(wrong_answers(r"\boxed{50}", str(seed)) != values for seed in range(1, 5))
    assert sorted(wrong_answers(r"\boxed{1}", "0")) == ["2", "3"]  # never 0, with which a fraction has no value


@pytest.mark.parametrize(
    "solution", [r"\boxed{C}", r"\boxed{\text{even}}", "it is 42", r"\boxed{}", r"\boxed{4", r"<think>\boxed{4}"]
)
def test_without_a_number_in_a_final_box_nothing_is_offered(solution):
    assert wrong_answers(solution, "0") == []


@pytest.mark.parametrize(
    ("solution", "other", "expected"),
    [
        # the end of the sentence, a formula, the right side of an equation; not a product, an index or a larger number
        (
            r"It is 42. Then $42$, \(x = 42\), $42x$, $x_{42}$, 142 and 42.5: \boxed{42}",
            "43",
            r"It is 43. Then $43$, \(x = 43\), $42x$, $x_{42}$, 142 and 42.5: \boxed{43}",
        ),
        (
            "A side is 3.\n\nSo $x = 3$.\n\n\\[\n\\boxed{3}\n\\]",  # two paragraphs, not three
            "4",
            "A side is 3.\n\nSo $x = 4$.\n\n\\[\n\\boxed{4}\n\\]",
        ),
        (
            "<think>\nx = 3. \\boxed{3}, or \\boxed{30}?\n</think>\n\n\\boxed{3}",  # the reasoning's boxes alone
            "4",
            "<think>\nx = 3. \\boxed{4}, or \\boxed{30}?\n</think>\n\n\\boxed{4}",
        ),
        (r"Put it in \boxed { 5 } or \boxed{6}.", "7", r"Put it in \boxed { 5 } or \boxed{7}."),
        (r"\boxed{\boxed{5}}", "6", r"\boxed{\boxed{6}}"),
        (r"so $\frac{3}{4}$, \boxed{$\frac{3}{4}$}", r"$\frac{3}{5}$", r"so $\frac{3}{5}$, \boxed{$\frac{3}{5}$}"),
    ],
)
def test_the_answer_changes_in_boxes_and_at_the_end(solution, other, expected):
    assert with_answer(solution, other) == expected


def test_the_extracted_answer_is_the_wrong_one():
    solution = "<think>\n\\boxed{7}\n</think>\n\nHence 7.\n\n\\boxed{7}"
    for other in wrong_answers(solution, "0"):
        assert extract_answer(with_answer(solution, other)) == other
