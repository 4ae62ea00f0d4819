# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Which text of a response is its answer, and which answers are equal."""

import subprocess
import sys

import pytest

from hpt.verifier import REASONS, Verdict, extract_answer, normalize_gold
from hpt.verifier.judge import (
    MAX_ANSWER_CHARACTERS,
    MAX_NESTING,
    MAX_SCREENED_DIGITS,
    examine,
    judge,
    readings,
    screen,
)


@pytest.mark.parametrize(
    ("response", "extracted"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\frac{\sqrt{3}}{\sqrt{x^{2}}}} }", r"\frac{\sqrt{3}}{\sqrt{x^{2}}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ 1 \right.}", r"\left\{ 1 \right."),
        (
            r"\boxed{\begin{pmatrix}1\\{2}\end{pmatrix}}",
            r"\begin{pmatrix}1\\{2}\end{pmatrix}",
        ),
        (r"\boxed {7}", "7"),
        ("\\boxed{\n 7 \n}", "7"),
        (r"\boxed{$7$}", "7"),
        (r"\boxed{x = \boxed{7}}", "7"),
        (r"<think>\boxed{1}</think> hence \boxed{2}", "2"),
        (r"<think>\boxed{1}</think> a <think> \boxed{2} </think> \boxed{3}", "3"),
    ],
)
def test_the_last_complete_box_is_the_answer(response, extracted):
    assert extract_answer(response) == extracted


@pytest.mark.parametrize(
    "response",
    [
        "",
        "42",
        r"\boxed{}",
        r"\boxed{ }",
        r"\boxed{$$}",
        r"\boxed{\frac{1}{2}",
        r"\boxed{1} then \boxed{2",  # truncated: the response went on after its first box
        r"<think> \boxed{42} </think> done",
        r"<think> \boxed{42}",
        r"<think> \boxed{42} </think> <think> again: \boxed{42}",
        r"\boxed 42",
        r"\boxed{42\}",
        r"\fbox{42}",
    ],
)
def test_no_answer(response):
    assert extract_answer(response) is None
    assert screen(extract_answer(response), "42") == Verdict("no_answer", None)


def test_extraction_is_linear_in_the_response():
    assert extract_answer(r"\boxed{" * 200_000) is None
    assert extract_answer("{" * 1_000_000 + r"\boxed{" + "{" * 1_000_000) is None


@pytest.mark.parametrize(
    ("answer", "bare"),
    [
        ("42", "42"),
        (" 42\n", "42"),
        (r"\boxed{42}", "42"),
        (r"$\boxed{42}$", "42"),
        (r"\boxed{$42$}", "42"),
        ("$42$", "42"),
        ("$$42$$", "42"),
        (r"\(42\)", "42"),
        (r"\[ 42 \]", "42"),
        ("$1$ and $2$", "$1$ and $2$"),
        (r"$\$5$", r"\$5"),
        (r"\$5", r"\$5"),
        ("$", "$"),
    ],
)
def test_the_bare_gold_answer(answer, bare):
    assert normalize_gold(answer) == bare


@pytest.mark.parametrize(
    ("extracted", "gold", "reason"),
    [
        ("42", "42", "correct"),
        ("042", "42", "correct"),
        ("+42", "42", "correct"),
        ("-0", "0", "correct"),
        ("42", "43", "wrong"),
        ("-42", "42", "wrong"),
        ("12345678901234567890123", "12345678901234567890124", "wrong"),
        (r"\text{east}", r"\text{east}", "correct"),
        ("???", "???", "correct"),
    ],
)
def test_the_screen_decides_identical_text_and_integers(extracted, gold, reason):
    assert screen(extracted, gold) == Verdict(reason, extracted)


@pytest.mark.parametrize(
    "oversized",
    ["x" * (MAX_ANSWER_CHARACTERS + 1), "(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1)],
)
def test_what_is_larger_than_any_answer_is_only_compared_as_text(oversized):
    assert screen(oversized, "42") == Verdict("unparsable", oversized)
    assert screen(oversized, oversized) == Verdict("correct", oversized)


@pytest.mark.parametrize(
    ("extracted", "gold"),
    [
        ("42.0", "42"),
        ("1,000", "1000"),
        ("4 2", "42"),
        ("\u0664\u0662", "42"),  # these digits are not ASCII
        ("9" * (MAX_SCREENED_DIGITS + 1), "9"),
        (r"\frac{1}{2}", "0.5"),
    ],
)
def test_the_screen_leaves_the_rest_alone(extracted, gold):
    assert screen(extracted, gold) is None


INTEGER_PAIRS = [
    ("7", "7"),
    ("007", "7"),
    ("+7", "7"),
    ("-7", "7"),
    ("8", "7"),
    ("10" * 9, "10" * 9 + "1"),
]


@pytest.mark.parametrize(("extracted", "gold"), INTEGER_PAIRS)
def test_screen_and_algebra_agree_on_integers(extracted, gold):
    assert screen(extracted, gold) == judge(extracted, gold)


EQUAL = [
    (r"\frac{1}{2}", "1/2"),
    ("0.5", "1/2"),
    (r"\dfrac12", r"\frac{1}{2}"),
    (r"1\frac{1}{2}", "3/2"),
    (r"-\frac{1}{2}", r"\frac{-1}{2}"),
    ("6.0", "6"),
    ("1,000", "1000"),
    ("1{,}000", "1000"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    ("x^2+2x+1", "(x+1)^2"),
    ("x = 3", "3"),
    ("y = 1 + 2x", "y=2x+1"),
    ("[1,2]", "[1, 2]"),
    (r"(-\infty, 3)", "x<3"),
    (r"x \in [-2, 7]", "[-2,7]"),
    (r"(-\infty,3)\cup(4,\infty)", r"(-\infty, 3) \cup (4, \infty)"),
    (r"\left(\frac{3}{5},\frac{8}{3}\right]", "(3/5,8/3]"),
    (r"\frac{1}{2}.", "1/2"),
    (r"\text{east}.", "east"),
    (r"0.\overline{3}", "1/3"),
    (r"-1.1\overline{6}", r"-\frac{7}{6}"),
    ("1 4/5", "9/5"),
    ("10 080", "10080"),
    (r"10\,080", "10080"),
    (r"11,\! 111,\! 111", "11111111"),
    ("x=58,500", "58500"),
    ("5", "x = 5"),
    (r"\text{\$}5", "5"),
    (r"\$32,348", "32348"),
    ("18 cm^2", "18"),
    (r"18 \mathrm{~cm}^2", "18"),
    ("2516_{8}", "2516_8"),
    ("\u00bd", "1/2"),
    ("2\u221a3", r"2\sqrt{3}"),
    ("x\u00b2 + 1", "x^2+1"),
    ("\uff17", "7"),
    ("\u22127", "-7"),
    ("3\u03c0/2", r"\frac{3\pi}{2}"),
    ("5 dollars", "5"),
    ("12 square units", "12"),
    ("**7**", "7"),
    (r"\boldsymbol{7}", "7"),
    (r"\color{red}{7}", "7"),
    (r"\varnothing", r"\emptyset"),
    ("1.5e3", "1500"),
    ("6.02e23", r"6.02 \times 10^{23}"),
    (r"6.02 \times 10^{23}", "602000000000000000000000"),
    (r"1.60 \times 10^{-19}", "1.6e-19"),
    (r"\approx 3.14", "3.14"),
    ("25 + 12 = 37", "37"),
    ("m + n = 25 + 12 = 37", "37"),
    ("f(x) = 2x", "2x"),
    ("x<3", r"(-\infty, 3)"),
    (r"1 \le x \le 2", "[1,2]"),
    ("5", r"5 \text{ m}"),
    ("4c", "4c"),
    ("4:30", "4:30"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    (r"\{1, 2\}", r"\{2, 1\}"),
    ("2, 1", r"\{1, 2\}"),
    (r"\pm 2", r"\{-2, 2\}"),
    (r"\sqrt{2} \approx 1.414", r"\sqrt{2}"),
    (r"\frac{2}{3} \approx 0.66", r"\frac{2}{3}"),
    (r"100\pi \approx 314.16 \text{ cm}^2", r"100\pi"),
    ("P(X=2) = 1/4", "1/4"),
    (r"\sum_{k=1}^{10} 5 = 50", "50"),
    ("x^2-1 = (x-1)(x+1)", "x^2-1"),
    ("S(n) = n^2+n", "n(n+1)"),
    ("x_1 = 5", "5"),
    (r"\log_2 8", "3"),
    (r"(-1)^2 \cdot 7", "7"),
    ("0/5", "0"),
    (r"\cos(2\pi)", "1"),
    (r"5 \text{ m/s}^2", "5"),
    (r"5 \,\mathrm{m/s^2}", "5"),
    (r"7\text{ or }7", "7"),
    ("1000000007.0", "1000000007"),
    ("1{,}000{,}000", "1000000"),
    (r"90^\circ", "90"),
    (r"5\text{ cm}", "5"),
    (r"50\%", "50"),
    (r"\text{east}", "east"),
    (r"\text{(C)}", "C"),
    ("3+4i", "4i+3"),
    (
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
    ),
]


@pytest.mark.parametrize(("extracted", "gold"), EQUAL)
def test_equal_answers_in_different_forms(extracted, gold):
    assert judge(extracted, gold) == Verdict("correct", extracted)


DIFFERENT = [
    (r"\frac{1}{3}", "1/2"),
    ("0.333", "1/3"),
    ("3.14", r"\pi"),
    ("x+1", "x+2"),
    ("(1,2]", "[1,2)"),
    ("[1,2]", "(1,2)"),
    (r"\{1, 2\}", r"\{1, 3\}"),
    ("(1,2,3)", "(1,3,2)"),
    (r"\text{east}", "west"),
    ("A", "B"),
    ("2516_7", "2516_8"),
    (r"\neq 7", "7"),
    ("> 7", "7"),
    ("1 = 7", "7"),
    ("x = 8 = 7", "7"),
    ("5 = 6 = 7 = 8", "8"),
    ("4", "4c"),
    ("2", "2d"),
    ("2x+3", "2x+3m"),
    ("0", "6.67e-11"),
    ("0.0000002", "0.0000003"),
    (r"1.6 \times 10^{-19}", r"1.7 \times 10^{-19}"),
    ("1000000007", "1000000008"),
    (r"6.02 \times 10^{23}", r"6.03 \times 10^{23}"),
    ("4:35", "4:30"),
    (r"0.\overline{3}", "0.3"),
    ("1 4/5", "4/5"),
    ("5 or 6", "5"),
    ("5, 6", "5"),
    ("x = 5", "x = 6"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}"),
    ("1000000008.0", "1000000007"),
    ("x^2+1 = x^2+2", "x^2+2"),
    (r"5 \simeq 6", "6"),
    (r"5 \bmod 6", "6"),
    (r"3 \text{ hours } 20 \text{ minutes}", "3"),
]
# An answer with two values is wrong, whichever of them the parser reads.
DIFFERENT += [
    (text, gold)
    for text in (r"5 \lor 6", "5|6", r"5 \mid 6", r"5\\6", r"5 \approx 6", r"5 \to 6", "5...6", r"5\text{ or 6}")
    for gold in ("5", "6")
]  # fmt: skip
DIFFERENT += [
    (rf"\frac{{5}}{{7}} {between} \frac{{6}}{{7}}", gold)
    for between in (r"\lor", "|", r"\text{ or maybe }", r"\foo")
    for gold in ("5/7", "6/7")
]


@pytest.mark.parametrize(("extracted", "gold"), DIFFERENT)
def test_different_answers(extracted, gold):
    """What the grammar does not read as a whole is no answer, whatever a part of it says."""
    verdict = judge(extracted, gold)
    assert verdict.score == 0.0 and verdict.extracted == extracted
    understood = verdict.gold == "text" or readings(extracted)
    assert verdict.reason == ("wrong" if understood else "unparsable")


@pytest.mark.parametrize(("extracted", "gold"), [("???", "5"), ("5", "???")])
def test_unparsable(extracted, gold):
    assert judge(extracted, gold) == Verdict("unparsable", extracted)


@pytest.mark.parametrize(
    "answer",
    [
        r"\begin{pmatrix} \\ \end{pmatrix}^T",
        r"\det\{\}",
        r"\sin(\ldots)",
        "5\\text{ cm}^\u2460",
        "1/3 \\approx 0." + "3" * 70,
    ],
)
def test_what_cannot_be_read_raises_nothing(answer):
    assert judge(answer, "5").score == 0.0


def test_the_score_follows_from_the_reason():
    assert {reason: Verdict(reason).score for reason in REASONS} == {
        reason: float(reason == "correct") for reason in REASONS
    }


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'maths'\. Available: math, choice"):
        examine("1", "1", "maths")


def test_importing_the_package_is_light():
    heavy = "{'sympy', 'math_verify', 'torch', 'numpy', 'ray', 'verl'}"
    code = f"import sys, hpt.verifier.reward; print({heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
