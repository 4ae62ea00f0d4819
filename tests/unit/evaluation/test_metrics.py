# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.evaluation import metrics
from hpt.evaluation.metrics import pass_at_k


def exact(n: int, c: int, k: int) -> Fraction:
    return 1 - Fraction(math.comb(n - c, k), math.comb(n, k))


@st.composite
def counts(draw, largest):
    n = draw(st.integers(0, largest))
    return n, draw(st.integers(0, n)), draw(st.integers(0, n))


@settings(deadline=None)
@given(st.one_of(counts(2048), counts(20_000)))
def test_pass_at_k_is_the_exact_value_rounded_once(numbers):
    assert pass_at_k(*numbers) == float(exact(*numbers))


def test_pass_at_k_counts_subsets():
    for n in range(1, 7):
        for c, k in itertools.product(range(n + 1), range(1, n + 1)):
            subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == sum(map(any, subsets)) / len(subsets)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((2048, 1, 1024), 0.5),
        ((2048, 1, 1), 1 / 2048),
        ((2048, 1024, 1024), 1.0),
        ((10, 0, 10), 0.0),
        ((10, 10, 1), 1.0),
        ((5, 3, 0), 0.0),
        ((0, 0, 0), 0.0),
        ((10**12, 1, 1), 1e-12),
        ((10**12, 5 * 10**11, 5 * 10**11), 1.0),
        ((10**15, 2, 10**6), 2e-9 - 1e-18),
    ],
)
def test_pass_at_k_of_known_cases(numbers, expected):
    assert pass_at_k(*numbers) == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "numbers",
    [(4, 5, 1), (4, 1, 5), (-1, 0, 0), (4, -1, 1), (4, 1, -1), (4.0, 1, 1), (4, "1", 1), (4, 1, None),
     (4, True, 1), (4, 1, 1.5), (4, float("nan"), 1), (4, np.bool_(True), 1)],
)  # fmt: skip
def test_pass_at_k_refuses(numbers):
    with pytest.raises(ValueError, match="got"):
        pass_at_k(*numbers)


def test_pass_at_k_takes_numpy_integers():
    assert pass_at_k(np.int64(4), np.int32(1), np.uint8(2)) == 0.5


def test_table_is_pass_at_k_of_every_question():
    n, c, ks = [4, 2048, 32, 4], [1, 3, 0, 1], [1, 2, 4]
    table = metrics.pass_at_k_table(n, c, ks)
    assert table.dtype == np.float64 and table.shape == (4, 3)
    for i, j in itertools.product(range(4), range(3)):
        assert table[i, j] == pass_at_k(n[i], c[i], ks[j])
    with pytest.raises(ValueError, match="questions"):
        metrics.pass_at_k_table([4], [1, 2], ks)
    with pytest.raises(ValueError, match="no questions"):
        metrics.pass_at_k_table([], [], ks)


@pytest.mark.parametrize(("n", "last", "count"), [(1, 1, 1), (2, 2, 2), (31, 16, 5), (32, 32, 6), (2048, 1024, 11)])
def test_powers_of_two(n, last, count):
    ks = metrics.powers_of_two(n)
    assert (ks[0], ks[-1], len(ks)) == (1, last, count)


def test_mean_over_questions():
    values = [0.0, 0.5, 1.0, 0.25]
    mean = metrics.mean_over_questions(values)
    assert mean.value == statistics.fmean(values)
    assert mean.error == pytest.approx(statistics.stdev(values) / 2, rel=1e-15)
    assert metrics.mean_over_questions([0.5]) == (0.5, None, 1)
    with pytest.raises(ValueError, match="no questions"):
        metrics.mean_over_questions([])


def test_interval_has_the_width_of_a_normal_one():
    """For the mean of many questions, the percentile interval is mean ± 1.96 standard errors."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 1))
    low, high = metrics.bootstrap_interval(values, resamples=20_000)
    mean = metrics.mean_over_questions(values[:, 0].tolist())
    assert mean.error is not None
    assert low[0] == pytest.approx(mean.value - 1.96 * mean.error, abs=0.1 * mean.error)
    assert high[0] == pytest.approx(mean.value + 1.96 * mean.error, abs=0.1 * mean.error)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        low, high = metrics.bootstrap_interval(rng.binomial(1, 0.4, size=(60, 1)), resamples=500)
        covered += low[0] <= 0.4 <= high[0]
    assert 0.90 <= covered / 300 <= 0.98


def test_interval_depends_on_its_seed_alone():
    values = np.random.default_rng(0).random((20, 3))
    first, again = (metrics.bootstrap_interval(values, 200, seed=1) for _ in range(2))
    other = metrics.bootstrap_interval(values, 200, seed=2)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    low, high = first
    assert (low <= values.mean(0)).all() and (values.mean(0) <= high).all()


def test_interval_of_one_question_and_of_nonsense():
    low, high = metrics.bootstrap_interval(np.array([[1.0, 0.5]]))
    assert np.isnan(low).all() and np.isnan(high).all()
    for values, resamples, confidence in (
        (np.zeros((0, 1)), 10, 0.9), (np.zeros(3), 10, 0.9), (np.zeros((3, 1)), 0, 0.9), (np.zeros((3, 1)), 10, 1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="got"):
            metrics.bootstrap_interval(values, resamples, confidence=confidence)


def test_curve():
    n, c = [8, 8, 8], [0, 2, 8]
    curve = metrics.pass_at_k_curve(n, c, resamples=2000)
    assert list(curve) == [1, 2, 4, 8]
    for k, point in curve.items():
        assert point.value == pytest.approx((0 + pass_at_k(8, 2, k) + 1) / 3, rel=1e-15)
    values = [point.value for point in curve.values()]
    assert values == sorted(values)
    # With three questions, 1 of 27 draws takes only the wrong one, and 1 of 27 only the right one.
    assert (curve[1].low, curve[1].high) == (0.0, 1.0)


def test_exclusive_solves():
    a = {"w": True, "x": True, "y": False, "z": False}
    b = {"w": True, "x": False, "y": True, "z": False}
    levels = {"w": 1, "x": 1, "y": 2, "z": 2}
    found = metrics.exclusive_solves(a, b, levels)
    assert found == {
        1: metrics.Exclusive(only_a=1, only_b=0, both=1, neither=0),
        2: metrics.Exclusive(only_a=0, only_b=1, both=0, neither=1),
    }
    with pytest.raises(ValueError, match=r"1 questions that are not in both.*'z'"):
        metrics.exclusive_solves(a, {key: b[key] for key in "wxy"}, levels)
    with pytest.raises(ValueError, match="no questions"):
        metrics.exclusive_solves({}, {}, {})


def test_lengths():
    assert metrics.lengths([10, 20, 60], ["stop", "stop", "length"]) == (30.0, 1 / 3)
    with pytest.raises(ValueError, match="at least one"):
        metrics.lengths([], [])
    with pytest.raises(ValueError, match="1 lengths and 2"):
        metrics.lengths([1], ["stop", "stop"])


def test_the_metrics_need_no_engine():
    import subprocess
    import sys

    code = (
        "import sys, hpt.evaluation.metrics, hpt.evaluation.voting, hpt.evaluation.store;"
        "print([name for name in ('torch', 'ray', 'vllm', 'verl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
