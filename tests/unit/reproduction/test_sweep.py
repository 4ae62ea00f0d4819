# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a sweep chooses a learning rate."""

import pytest

from recipe.hpt.reproduction.sweep import Choice, choose, extended

RATES = (1e-4, 1e-3, 1e-2)
TRIED = [(rate, None) for rate in RATES]


@pytest.mark.parametrize(
    ("scores", "chosen", "at_edge"),
    [
        ((0.1, 0.5, 0.3), 1e-3, False),
        ((0.5, 0.1, 0.3), 1e-4, True),
        ((0.1, 0.2, 0.3), 1e-2, True),
        ((0.1, 0.5, 0.5), 1e-3, False),  # a tie: the smaller rate
        ((0.3, 0.3 + 1e-12, 0.3), 1e-4, True),  # sums in another order
    ],
)
def test_the_best_rate_is_chosen_and_ties_go_to_the_smaller_one(scores, chosen, at_edge):
    choice = choose(dict(zip(TRIED, scores, strict=True)), TRIED)
    assert (choice.learning_rate, choice.missing, choice.at_edge) == (chosen, (), at_edge)


def test_nothing_is_chosen_while_a_run_is_missing():
    choice = choose({(1e-3, None): 0.9}, TRIED)
    assert (choice.learning_rate, choice.missing) == (None, ((1e-4, None), (1e-2, None)))


def test_a_single_rate_needs_no_sweep():
    assert choose({}, [(1e-3, None)]) == Choice(1e-3)


def test_the_best_weight_is_chosen_with_the_rate_and_ties_go_to_the_weight_as_it_is():
    tried = [*TRIED, (1e-3, 0.25), (1e-3, 4.0)]
    scores = dict(zip(tried, (0.1, 0.5, 0.3, 0.6, 0.5), strict=True))
    assert choose(scores, tried) == Choice(1e-3, weight=0.25)
    assert choose(scores | {(1e-3, 0.25): 0.5}, tried) == Choice(1e-3, weight=None)


@pytest.mark.parametrize(
    ("scores", "values"),
    [
        ({1.0: 0.1}, [1.0, 10.0, 100.0]),  # not all have finished
        ({1.0: 0.1, 10.0: 0.5, 100.0: 0.3}, [1.0, 10.0, 100.0]),
        ({1.0: 0.5, 10.0: 0.1, 100.0: 0.3}, [0.1, 1.0, 10.0, 100.0]),
        ({1.0: 0.1, 10.0: 0.2, 100.0: 0.3, 1e3: 0.2}, [1.0, 10.0, 100.0, 1e3]),
        ({1.0: 0.1, 10.0: 0.2, 100.0: 0.3, 1e3: 0.4}, [1.0, 10.0, 100.0, 1e3, 1e4]),
        ({10.0**k: float(k) for k in range(6)}, [1.0, 10.0, 100.0, 1e3, 1e4, 1e5]),  # three at most
    ],
)
def test_a_search_goes_on_beyond_the_edge_where_the_best_value_lies(scores, values):
    assert extended([1.0, 10.0, 100.0], scores) == values


def test_a_search_ends_at_the_largest_and_the_smallest_value_that_mean_something():
    assert extended([0.25, 1.0], {0.25: 0.1, 1.0: 0.2}, largest=1.0) == [0.25, 1.0]
    assert extended([0.25, 1.0], {0.25: 0.2, 1.0: 0.1}, smallest=0.05) == [0.06, 0.25, 1.0]
    assert extended([0.25, 1.0], {0.06: 0.3, 0.25: 0.2, 1.0: 0.1}, smallest=0.05) == [0.06, 0.25, 1.0]
