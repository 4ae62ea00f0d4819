# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How rollouts are drawn: prefixes, rounds and hints, against the published schedules."""

import math
from random import Random
from statistics import fmean

import pytest

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.method.draws import Draw, Drawn, Draws, Known


def draws(strategy: str, **params) -> Draws:
    return HPTConfig(strategy=strategy, params=params).draws


def play(chosen: Draws, known: Known, succeeds) -> tuple[list[list[Draw]], list[Drawn]]:
    """All rounds of a question, and the rollouts of its group. ``succeeds(draw)`` says whether a rollout is right."""
    rounds, drawn = [], []
    while new := chosen.next(known, drawn):
        rounds.append(new)
        drawn += [Drawn(draw, float(succeeds(draw))) for draw in new]
        assert len(rounds) < 20
    return rounds, [drawn[place] for place in chosen.keep(known, drawn)]


def never(draw: Draw) -> bool:
    return False


def always(draw: Draw) -> bool:
    return True


# ---- UFT ----


def test_uft_gives_all_rollouts_of_a_question_the_same_parts_of_its_demonstration():
    known = Known(rollouts=4, step=1, demonstration=50, random=Random(0))
    (only,), group = play(draws("uft"), known, never)
    assert len(only) == len(group) == 4 and len(set(only)) == 1
    assert only[0].prefix % 10 == 0 and only[0].imitated == (only[0].prefix > 0)


@pytest.mark.parametrize(("step", "chance"), [(1, 0.95), (150, 0.5), (299, 0.05), (301, 0.0)])
def test_ufts_parts_are_binomial_with_a_chance_that_falls_as_a_half_cosine(step, chance):
    """l ~ Bin(5, q), q = 0.05 + 0.45 (1 + cos(pi k / 300)), and nothing after 300 steps."""
    chosen = draws("uft")
    prefixes = [
        chosen.next(Known(rollouts=1, step=step, demonstration=5, random=Random(seed)), [])[0].prefix
        for seed in range(2000)
    ]
    error = 5 * math.sqrt(5 * max(chance * (1 - chance), 1e-4) / 2000)
    assert fmean(prefixes) == pytest.approx(5 * chance, abs=error + 1e-3)
    assert set(prefixes) <= set(range(6))


# ---- Prefix-RFT ----


def test_some_rollouts_of_a_group_continue_a_prefix_whose_least_share_falls():
    chosen = draws("prefix_rft", prefixed=2, high=0.9, low_first=0.5, low_last=0.1, decay_steps=10)

    def shares(step: int) -> list[float]:
        found = []
        for seed in range(300):
            (only,), group = play(chosen, Known(rollouts=4, step=step, demonstration=1000, random=Random(seed)), never)
            assert len(group) == 4 and [draw.prefix for draw in only[2:]] == [0, 0]
            assert not any(draw.imitated for draw in only)
            found += [draw.prefix / 1000 for draw in only[:2]]
        return found

    late = shares(99)
    assert 0.1 <= min(late) < 0.15 and 0.85 < max(late) <= 0.9 and fmean(late) == pytest.approx(0.5, abs=0.03)
    assert min(shares(1)) >= 0.48
    assert fmean(shares(5)) == pytest.approx((0.3 + 0.9) / 2, abs=0.02)  # low = 0.3 halfway


def test_a_prefix_has_its_least_tokens_unless_the_demonstration_has_fewer():
    chosen = draws("prefix_rft", high=0.0, low_first=0.0, low_last=0.0)
    assert chosen.next(Known(rollouts=2, demonstration=100), [])[0].prefix == 16
    assert chosen.next(Known(rollouts=2, demonstration=5), [])[0].prefix == 5
    assert chosen.next(Known(rollouts=2, demonstration=0), []) == [Draw(), Draw()]


# ---- TRAPO ----


def sizes(rounds) -> list[tuple[int, int]]:
    return [(len(each), each[0].prefix) for each in rounds]


def test_trapo_shows_more_of_the_demonstration_the_less_is_solved():
    """If sum(4) < 2: 25 %; if sum(6) < 4: 50 %; if sum(7) < 7: all of it."""
    known = Known(rollouts=8, demonstration=100)
    rounds, group = play(draws("trapo"), known, never)
    assert sizes(rounds) == [(4, 0), (2, 25), (1, 50), (1, 100)] and len(group) == 8
    assert [draw.imitated for of_round in rounds for draw in of_round] == [False] * 5 + [True] * 3
    assert sizes(play(draws("trapo"), known, always)[0]) == [(4, 0), (2, 0), (1, 0), (1, 0)]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([1, 0, 0, 0, 0, 0, 0], [25, 50, 100]),
        ([1, 1, 0, 0, 0, 0, 0], [0, 50, 100]),
        ([1, 1, 1, 1, 0, 0, 1], [0, 0, 100]),
        ([1, 1, 1, 1, 1, 1, 1], [0, 0, 0]),
    ],
)
def test_trapos_thresholds(right, expected):
    known, drawn, chosen = Known(rollouts=8, demonstration=100), [], draws("trapo")
    prefixes, scores = [], iter([*right, 0])
    while new := chosen.next(known, drawn):
        prefixes.append(new[0].prefix)
        drawn += [Drawn(draw, next(scores)) for draw in new]
    assert prefixes[1:] == expected


def test_a_question_without_a_demonstration_is_drawn_plainly():
    for name in ("uft", "prefix_rft", "trapo", "bread", "ghpo", "scaf_grpo"):
        rounds, group = play(draws(name), Known(rollouts=8, step=100), never)
        assert len(group) == 8 and {draw for of_round in rounds for draw in of_round} == {Draw()}, name


# ---- BREAD ----


@pytest.mark.parametrize("needed", range(1, 10))
def test_bread_finds_the_shortest_prefix_that_succeeds(needed):
    rounds, group = play(draws("bread"), Known(rollouts=4, demonstration=100), lambda draw: draw.prefix >= 10 * needed)
    assert {each.draw.prefix for each in group} == {10 * needed} and len(group) == 4
    assert sizes(rounds)[0] == (4, 0) and len(rounds) <= 1 + math.ceil(math.log2(10))


def test_bread_leaves_alone_what_is_solved_and_what_nothing_solves():
    rounds, group = play(draws("bread"), Known(rollouts=4, demonstration=100), always)
    assert len(rounds) == 1 and len(group) == 4
    rounds, group = play(draws("bread"), Known(rollouts=4, demonstration=100), never)
    assert len(rounds) > 1 and {each.draw for each in group} == {Draw()}


# ---- hints ----

TEXT = "abcdefgh"


def test_ghpo_gives_away_more_until_a_rollout_succeeds():
    known = Known(rollouts=4, demonstration=8, text=TEXT)
    rounds, group = play(draws("ghpo"), known, lambda draw: "abcd" in draw.hint)
    assert [each[0].hint.rpartition("\n")[2] for each in rounds] == ["", "ab", "abcd"]
    assert {each.draw for each in group} == {rounds[2][0]} and not rounds[2][0].plain
    rounds, group = play(draws("ghpo"), known, never)
    assert len(rounds) == 4 and group[0].draw.hint.endswith("abcdef")
    assert len(play(draws("ghpo"), known, always)[0]) == 1
    assert len(play(draws("ghpo", start_hint_step=5), known, never)[0]) == 1


def test_scaf_grpo_puts_the_first_hinted_success_in_place_of_one_rollout():
    known = Known(rollouts=4, step=51, hints=("little", "more", "all"))
    rounds, group = play(draws("scaf_grpo"), known, lambda draw: draw.hint in ("more", "all"))
    assert [draw.hint for draw in rounds[1]] == ["little", "more", "all"] and all(draw.plain for draw in rounds[1])
    assert [each.draw.hint for each in group] == ["", "", "", "more"] and [each.score for each in group] == [0, 0, 0, 1]
    assert {each.draw for each in play(draws("scaf_grpo"), known, never)[1]} == {Draw()}
    early = Known(rollouts=4, step=50, hints=("all",))
    assert len(play(draws("scaf_grpo"), early, never)[0]) == 1
    assert draws("scaf_grpo").hints and not draws("ghpo").hints


@pytest.mark.parametrize(
    ("strategy", "params", "part"),
    [
        ("uft", {"hint_steps": 0}, "got hpt.params.hint_steps=0"),
        ("uft", {"high": 0.1, "low": 0.5}, "expected low <= high"),
        ("uft", {"high": 1.5}, "got hpt.params.high=1.5"),
        ("trapo", {"sizes": [4, 4]}, "2 sizes, 4 ratios and 4 thresholds"),
        ("trapo", {"ratios": [0, 0.2, 0.5, 2.0]}, "got hpt.params.ratios"),
        ("bread", {"episodes": 0}, "got hpt.params.episodes=0"),
        ("ghpo", {"ratio": 0.5}, "Unknown setting 'hpt.params.ratio'. Did you mean hpt.params.ratios?"),
    ],
)
def test_bad_parameters_are_refused(strategy, params, part):
    with pytest.raises(ConfigError) as error:
        HPTConfig(strategy=strategy, params=params)
    assert part in str(error.value)
