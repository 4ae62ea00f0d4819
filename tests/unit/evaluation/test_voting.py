# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt.evaluation.voting import answer_key, majority_at_k, majority_score, tally


@pytest.mark.parametrize(
    "group",
    [
        ["1/2", "0.5", ".50", r"\frac{1}{2}", r"\dfrac{1}{2}", "2/4", r"$\tfrac12$".replace("12", "{1}{2}")],
        ["1,234", "1234", "+1234.0", "1234."],
        [r"-\frac{3}{4}", "-0.75", "-3/4", r"\frac{-3}{4}"],
        ["x + 1", "x+1", r"x\,+\,1", "$x+1$"],
        [r"\left( 1, 2 \right)", "(1,2)"],
    ],
)  # fmt: skip
def test_equal_answers_in_different_forms(group):
    assert len({answer_key(answer) for answer in group}) == 1, [answer_key(each) for each in group]


@pytest.mark.parametrize(
    "pair",
    [("1/2", "1/3"), ("12", "1,2"), ("x+1", "1+x"), ("(1,2)", "(2,1)"), ("-1", "1"), ("1/0", "0"),
     (r"\leftarrow", "arrow"), ("A", "B"), ("0.1", "0.10000000000000001")],
)  # fmt: skip
def test_other_answers(pair):
    assert answer_key(pair[0]) != answer_key(pair[1])


@pytest.mark.parametrize("hostile", ["9" * 1_000_000, "{" * 100_000, "\ud800\0", "", "1/" + "0" * 2000])
def test_hostile_answers_are_text(hostile):
    assert isinstance(answer_key(hostile), str)


def test_tally():
    votes = tally(["0.5", "1/2", None, "3", "7"], [1.0, 1.0, 0.0, 0.0, 0.0])
    assert votes.keys == ("1/2", "3", "7") and votes.counts == (2, 1, 1)
    assert votes.scores == (1.0, 0.0, 0.0) and votes.abstained == 1 and votes.n == 5
    assert votes.winner == "1/2" and majority_score(votes) == 1.0


def test_ties_share_and_nobody_votes():
    tie = tally(["1", "2", "2", "1", "3"], [1.0, 0.0, 0.0, 1.0, 0.0])
    assert tie.winner is None and majority_score(tie) == 0.5
    nobody = tally([None, None], [0.0, 0.0])
    assert nobody.winner is None and majority_score(nobody) == 0.0
    assert majority_at_k(nobody, 1) == 0.0


def test_a_check_that_timed_out_lowers_its_group():
    assert majority_score(tally(["1", "1"], [1.0, 0.0])) == 0.5


def brute_force(answers, scores, k):
    subsets = itertools.combinations(range(len(answers)), k)
    return statistics.fmean(
        majority_score(tally([answers[i] for i in chosen], [scores[i] for i in chosen])) for chosen in subsets
    )


@given(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=7), st.integers(1, 7))
def test_majority_at_k_is_the_mean_over_subsets(answers, k):
    k = min(k, len(answers))
    scores = [float(answer == "1") for answer in answers]
    expected = brute_force(answers, scores, k)
    exact = k in (1, len(answers))
    got = majority_at_k(tally(answers, scores), k, draws=2000)
    assert got == pytest.approx(expected, abs=1e-12 if exact else 0.06)


def test_a_subset_in_which_nobody_votes_scores_zero():
    votes = tally(["1", None, None, None], [1.0, 0.0, 0.0, 0.0])
    assert majority_at_k(votes, 2, draws=2000) == pytest.approx(0.5, abs=0.05)


def test_majority_at_k_depends_on_its_seed_alone():
    votes = tally(["1"] * 5 + ["2"] * 4 + [None], [1.0] * 5 + [0.0] * 5)
    assert majority_at_k(votes, 4, seed=3) == majority_at_k(votes, 4, seed=3)
    assert majority_at_k(votes, 4, seed=3) != majority_at_k(votes, 4, seed=4)
    for k in (0, 11):
        with pytest.raises(ValueError, match=f"got k={k}"):
            majority_at_k(votes, k)


def test_empty_input():
    with pytest.raises(ValueError, match="0 answers"):
        tally([], [])
    with pytest.raises(ValueError, match="1 answers and 0 scores"):
        tally(["1"], [])
