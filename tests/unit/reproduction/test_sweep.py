# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a sweep chooses a learning rate."""

import pytest

from recipe.hpt.reproduction.sweep import Choice, choose

RATES = (1e-4, 1e-3, 1e-2)


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
    choice = choose(dict(zip(RATES, scores, strict=True)), RATES)
    assert (choice.learning_rate, choice.missing, choice.at_edge) == (chosen, (), at_edge)


def test_nothing_is_chosen_while_a_run_is_missing():
    choice = choose({1e-3: 0.9}, RATES)
    assert (choice.learning_rate, choice.missing) == (None, (1e-4, 1e-2))


def test_a_single_rate_needs_no_sweep():
    assert choose({}, (1e-3,)) == Choice(1e-3)
