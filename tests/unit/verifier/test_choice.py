# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Multiple-choice answers: which letter a response chooses."""

import pytest

from hpt.verifier import KINDS, Verdict, VerifierPool, verify
from hpt.verifier.choice import LETTERS, letter_of


@pytest.mark.parametrize(
    "form",
    [
        "B",
        " b ",
        "(B)",
        "(b)",
        "[B]",
        "B.",
        "B)",
        "B:",
        "**B**",
        "$B$",
        r"\text{B}",
        r"\textbf{(B)}",
        r"\mathrm{B}",
        r"\text{(B)}",
        r"\text{ B }",
        r"\(B\)",
        "Option B",
        "option (B)",
        "Answer: B",
        "The answer is B.",
        "B) Paris",
        "B. Paris",
        "(B) Paris",
        "B: 3.5 m/s",
        r"\text{B. Paris}",
        r"\text{(B) } 12",
        "b) Paris",
        r"\boldsymbol{B}",
        r"\operatorname{B}",
    ],
)
def test_a_letter_in_its_forms(form):
    assert letter_of(form) == "B"
    assert verify(rf"So \boxed{{{form}}}.", "B", "choice") == Verdict("correct", "B")
    assert verify(rf"So \boxed{{{form}}}.", "C", "choice") == Verdict("wrong", "B")
    assert verify(r"\boxed{B}", form, "choice").score == 1.0  # as a gold answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "K",
        "AB",
        "A, B",
        "A and B",
        "(A) or (B)",
        "A) x B) y",
        "(A) or B",
        "(A), B, C",
        "A) B",
        "A: B",
        "A. or B",
        "A man",
        "Paris",
        "5",
        "()",
        "C++",
        "A'",
        "B.12",
        "A + B",
        "F = ma",
        "I am",
        "\u0412",
    ],
)
def test_no_letter(text):
    assert letter_of(text) is None


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter(letter):
    assert verify(rf"\boxed{{{letter}}}", letter, "choice").score == 1.0
    assert verify(f"The answer is {letter}.", letter.lower(), "choice").score == 1.0


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "B.",
        "(B)",
        "**B**",
        "Long thoughts about A and C.\n\nB",
        "Answer: B",
        "**Answer:** B",
        "The correct answer is **B**.",
        "The answer is (B) Paris, because A is not in France.",
        "The answer is (b).",
        "the correct option is B",
        "Final answer: $B$",
        r"The answer is \text{B}",
        r"The answer is $\textbf{(B)}$.",
        "I first thought the answer is A. But the answer is B.",
        "The answer is A\n</think>\nThe answer is B",
        r"<think>\boxed{A}</think> The answer is B",
        r"The answer is A, no: \boxed{B}",
        "The answer is therefore B.",
        "<answer>B</answer>",
        "The answer is B because A is not in France.",
        "The answer is B. Because the others are not.",
        "The answer is **B**. This answer is certain.",
    ],
)
def test_what_a_response_chooses(response):
    assert verify(response, "B", "choice") == Verdict("correct", "B")


@pytest.mark.parametrize(
    "response",
    [
        "",
        "A man walks in.",
        "Both B and C are plausible.",
        "The answer is a matter of taste.",
        "The answer is A man of his word would know.",
        "The answer is not B",
        "The answer is B or C",
        "The answer is Berlin",
        "The answer is B-flat",
        "Option B is wrong",
        "Answer B is incorrect.",
        "(A) 1 (B) 2 (C) 3",
        "A. 1\nB. 2",
        "A\nB",
        "B. Smith wrote the book.",
        "the answer: I do not know",
        "The answer is I think B",
        "The answer is A. Wait, the answer is B, C",
        "the answer is B and also D",
        "The answer is B.12",
        "The answer is B + A",
        "<think>The answer is B",
        r"The answer is B. \boxed{",
        r"The answer is B. \boxed{}",
        "<think>The answer is B</think>",
    ],
)
def test_no_choice(response):
    assert verify(response, "B", "choice") == Verdict("no_answer")


def test_a_box_decides_alone():
    assert verify(r"The answer is B. \boxed{Paris}", "B", "choice") == Verdict("unparsable", "Paris")
    assert verify(r"The answer is B. \boxed{A}", "B", "choice") == Verdict("wrong", "A")
    assert verify(r"\boxed{B, C}", "B", "choice").score == 0.0


def test_a_gold_answer_that_is_no_letter():
    assert verify(r"\boxed{B}", "Paris", "choice").reason == "unparsable"


def test_no_worker_is_needed():
    assert KINDS == ("math", "choice")
    hostile = [
        "A" * 1_000_000,
        "the answer is " * 100_000,
        "(" * 1_000_000,
        "**" * 500_000,
        "answer" + " " * 1_000_000,
    ]
    with VerifierPool(workers=1) as pool:
        verdicts = pool.verify_many((text, "B", "choice") for text in hostile)
        assert {verdict.score for verdict in verdicts} == {0.0}
        assert pool._pool is None


@pytest.mark.parametrize("text", ["A (or B)", "A, possibly B", "A or maybe B", "A | B"])
def test_a_statement_that_leaves_another_choice_open(text):
    assert verify(f"The answer is {text}", "A", "choice") == Verdict("no_answer")


@pytest.mark.parametrize("text", ["A. I", "A. Oranges and lemons", "A) 3, 4"])
def test_the_text_of_a_choice_may_follow_its_label(text):
    assert letter_of(text) == "A"
