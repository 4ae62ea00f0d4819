# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt.method.gate import Coefficients, constant, switch
from hpt.method.normalization import PromptNormalization, ReleasedNormalization
from hpt.method.routing import (
    Question,
    Row,
    RowKind,
    Term,
    micro_batches,
    route,
    rows_per_rank,
)
from tests.helpers.terms import DR_GRPO, GRPO, LUFFY, SIGNS

ROLLOUT, DEMONSTRATION = RowKind.ROLLOUT, RowKind.DEMONSTRATION
MAX_LENGTH = 96


def question(uid: str, *scores: float, solution: int | None = 12, lengths=()) -> Question:
    keys = [f"{uid}_{i}" for i in range(len(scores))]
    demonstration = None if solution is None else [0] * solution
    return Question(uid, keys, scores, demonstration, lengths or [7] * len(scores))


def plan_of(
    questions,
    *,
    feedback=None,
    gamma=0.0,
    n=None,
    keep_idle=False,
    rollouts=DR_GRPO,
    demonstrations=LUFFY,
    ranks=None,
    pooled_sft=False,
    **coefs,
):
    n = n or max(len(questions), 1)
    normalization = (
        PromptNormalization(n, MAX_LENGTH, pooled_sft) if ranks is None else ReleasedNormalization(n, MAX_LENGTH, ranks)
    )
    return route(
        questions,
        feedback or switch(gamma),
        rollouts=rollouts,
        demonstrations=demonstrations,
        normalization=normalization,
        **coefs,
        keep_idle=keep_idle,
    )


def test_the_kinds_are_the_numbers_that_travel_with_the_rows():
    assert [(kind.name, int(kind)) for kind in RowKind] == [
        ("ROLLOUT", 0),
        ("DEMONSTRATION", 1),
        ("PADDING", 2),
    ]


def test_a_batch_by_hand():
    """One question of each kind: unsolved, mixed, all solved, unsolved without a solution."""
    plan = plan_of(
        [
            question("a", 0, 0, 0, solution=5),
            question("b", 1, 0, 0),
            question("c", 1, 1, 1),
            question("d", 0, 0, 0, solution=None),
        ],
        sft_coef=0.3,
    )
    rl = 1 / (4 * 3 * 96)
    assert plan.rows == [
        Row(DEMONSTRATION, "a", None, 0, 1.0, 0.0, pytest.approx(0.3 / (4 * 5), rel=1e-15)),
        Row(ROLLOUT, "b", "b_0", 0, 1 - 1 / 3, pytest.approx(rl, rel=1e-15)),
        Row(ROLLOUT, "b", "b_1", 0, -1 / 3, pytest.approx(rl, rel=1e-15)),
        Row(ROLLOUT, "b", "b_2", 0, -1 / 3, pytest.approx(rl, rel=1e-15)),
    ]
    assert plan.dropped == ["a_0", "a_1", "a_2", "c_0", "c_1", "c_2", "d_0", "d_1", "d_2"]
    assert plan.means == [0.0, 1 / 3, 1.0, 0.0]
    assert plan.demonstrated == plan.sft
    assert (plan.sft, plan.rl, plan.skipped) == (["a"], ["b", "c"], ["d"])


def test_steps_are_cut_by_questions_in_their_order_however_many_rows_are_left():
    unsolved, solved = question("u", 0, 0, 0, 0), question("s", 1, 1, 1, 1)
    batch = [unsolved, question("m", 1, 0, 0, 0), solved, solved, question("z", 0, 1, 1, 1)]
    plan = plan_of(batch, n=2)
    assert [(row.uid, row.step) for row in plan.rows] == (
        [("u", 0)] + [("m", 0)] * 4 + [("z", 2)] * 4  # step 1 has no row at all
    )
    # N stays 2 in the last step, which has one question only.
    assert plan.rows[-1].rl_weight == pytest.approx(1 / (2 * 4 * 96), rel=1e-15)


def test_reversing_the_questions_reverses_the_steps():
    batch = [question(name, 1, 0) for name in "abcd"]
    assert {r.uid: r.step for r in plan_of(batch, n=2).rows} == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert {r.uid: r.step for r in plan_of(batch[::-1], n=2).rows} == {
        "a": 1,
        "b": 1,
        "c": 0,
        "d": 0,
    }


def test_gamma_1_replaces_even_solved_questions_by_their_solution():
    plan = plan_of([question("a", 1, 1), question("b", 1, 0)], gamma=1.0)
    assert [(row.kind, row.uid) for row in plan.rows] == [
        (DEMONSTRATION, "a"),
        (DEMONSTRATION, "b"),
    ]
    assert plan.rl == []


def test_keep_idle_keeps_solved_rollouts_but_never_brings_back_those_gated_to_sft():
    batch = [question("a", 1, 1), question("b", 0, 0)]
    kept = plan_of(batch, keep_idle=True)
    assert [(row.kind, row.key) for row in kept.rows] == [
        (ROLLOUT, "a_0"),
        (ROLLOUT, "a_1"),
        (DEMONSTRATION, None),
    ]
    assert kept.dropped == ["b_0", "b_1"]
    assert kept.rl == plan_of(batch).rl == ["a"]
    assert plan_of(batch).dropped == ["a_0", "a_1", "b_0", "b_1"]


def test_equal_partial_scores_are_unanimous_too():
    assert plan_of([question("a", 0.5, 0.5)]).dropped == ["a_0", "a_1"]
    assert plan_of([question("a", 0.5, 0.25)]).dropped == []


def test_a_single_rollout_keeps_its_score_as_its_advantage_as_in_verl():
    plan = plan_of([question("a", 1.0), question("b", 0.5)])
    assert [(row.key, row.advantage) for row in plan.rows] == [("a_0", 1.0), ("b_0", 0.5)]


def test_a_blended_feedback_gives_a_question_both_kinds_of_rows():
    plan = plan_of(
        [question("a", 1, 0, solution=10)],
        feedback=lambda mean: Coefficients(mean, 0.0, 1.0 - mean / 2),
        sft_coef=2.0,
    )
    assert [row.kind for row in plan.rows] == [ROLLOUT, ROLLOUT, DEMONSTRATION]
    assert [row.rl_weight for row in plan.rows] == pytest.approx([0.5 / (2 * 96), 0.5 / (2 * 96), 0.0], rel=1e-15)
    assert [row.sft_weight for row in plan.rows] == pytest.approx([0, 0, 2.0 * 0.75 / 10])
    assert plan.sft == plan.rl == ["a"]
    assert plan.dropped == []


def test_without_weight_a_demonstration_is_no_row():
    plan = plan_of([question("a", 0, 0), question("b", 1, 0)], sft_coef=0.0)
    assert [row.uid for row in plan.rows] == ["b", "b"]
    assert (plan.sft, plan.skipped) == ([], [])


def test_no_questions_make_an_empty_plan():
    plan = plan_of([])
    assert (plan.rows, plan.dropped, plan.means) == ([], [], [])


def test_two_plans_share_no_list():
    plan_of([question("a", 0, 0)])
    assert plan_of([]).rows == []


@pytest.mark.parametrize("bad", [-0.1, 2.0])
def test_a_score_outside_0_and_1_is_refused(bad):
    with pytest.raises(ValueError, match=rf"got a rollout score of {bad}"):
        plan_of([question("a", 1.0, bad)])


def test_steps_of_no_questions_are_refused():
    with pytest.raises(ValueError, match="got questions_per_step=0; expected at least 1"):
        PromptNormalization(0, 1)


# ---- the demonstration in the group ----


def test_luffy_by_hand():
    """Three rollouts, one solved, and the demonstration: A over four scores 1, 0, 0, 1."""
    plan = plan_of(
        [question("a", 1, 0, 0, solution=6)],
        feedback=constant(Coefficients(1, 1, 0)),
        demonstrations=DR_GRPO,
        n=2,
    )
    weight = pytest.approx(1 / (2 * 4 * 96), rel=1e-15)
    assert plan.rows == [
        Row(ROLLOUT, "a", "a_0", 0, 0.5, weight),
        Row(ROLLOUT, "a", "a_1", 0, -0.5, weight),
        Row(ROLLOUT, "a", "a_2", 0, -0.5, weight),
        Row(DEMONSTRATION, "a", None, 0, 0.5, weight, 0.0),
    ]
    assert (plan.demonstrated, plan.sft, plan.rl, plan.dropped) == (["a"], [], ["a"], [])


def test_failed_rollouts_have_an_advantage_beside_a_demonstration_and_solved_ones_have_none():
    batch = [question("a", 0, 0, 0), question("b", 1, 1, 1)]
    plan = plan_of(batch, feedback=constant(Coefficients(1, 1, 0)), demonstrations=DR_GRPO)
    assert [(row.uid, row.advantage) for row in plan.rows] == [("a", -0.25)] * 3 + [("a", 0.75)]
    assert plan.dropped == ["b_0", "b_1", "b_2"]


def test_a_demonstration_alone_in_its_group_has_advantage_1():
    plan = plan_of([question("a", 0, 0)], feedback=constant(Coefficients(0, 1, 1)), off_coef=0.5)
    (row,) = plan.rows
    assert (row.advantage, row.rl_weight) == (1.0, pytest.approx(0.5 / 96))
    assert row.sft_weight == pytest.approx(1 / 12)
    assert plan.dropped == ["a_0", "a_1"]


def test_srft_by_hand():
    """Rollouts +-1 whatever the others score; the demonstration standardised over the group."""
    plan = plan_of(
        [question("a", 1, 1, 0, solution=5)],
        feedback=constant(Coefficients(1, 1, 1)),
        rollouts=SIGNS,
        sft_coef=0.3,
    )
    assert [row.advantage for row in plan.rows[:3]] == [1, 1, -1]
    # Scores 1, 1, 0, 1: mean 3/4, unbiased deviation 1/2.
    assert plan.rows[3].advantage == pytest.approx(0.5, rel=1e-5)
    assert plan.rows[3].sft_weight == pytest.approx(0.3 / 5)


def test_without_a_demonstration_a_question_keeps_its_rollouts_and_is_counted():
    plan = plan_of([question("a", 1, 0, solution=None)], feedback=constant(Coefficients(1, 1, 1)))
    assert [(row.key, row.advantage) for row in plan.rows] == [("a_0", 0.5), ("a_1", -0.5)]
    assert (plan.skipped, plan.sft) == (["a"], [])


# ---- denominators ----


def test_grpo_divides_by_each_rows_length():
    plan = plan_of([question("a", 1, 0, lengths=[4, 10])], rollouts=GRPO, n=3)
    assert [row.rl_weight for row in plan.rows] == pytest.approx([1 / (3 * 2 * 4), 1 / (3 * 2 * 10)])


def test_a_groups_mean_length_makes_a_mean_over_its_tokens():
    by_group = Term(DR_GRPO.credit, "group")
    plan = plan_of([question("a", 1, 0, lengths=[4, 10])], rollouts=by_group, n=3)
    assert [row.rl_weight for row in plan.rows] == pytest.approx([1 / (3 * 14)] * 2)
    both = constant(Coefficients(1, 1, 0))
    batch = [question("a", 1, 0, solution=6, lengths=[4, 10])]
    plan = plan_of(batch, rollouts=by_group, demonstrations=by_group, feedback=both, n=3)
    assert [row.rl_weight for row in plan.rows] == pytest.approx([1 / (3 * 20)] * 3)


def test_a_step_length_makes_a_mean_over_the_tokens_of_all_rollouts_also_dropped_ones():
    by_step = Term(DR_GRPO.credit, "step")
    batch = [question("a", 1, 0, lengths=[4, 10]), question("b", 1, 1, lengths=[3, 3]), question("c", 0, 1)]
    plan = plan_of(batch, rollouts=by_step, feedback=constant(Coefficients(1, 0, 0)), n=2)
    assert [row.rl_weight for row in plan.rows] == pytest.approx([1 / 20] * 2 + [1 / 14] * 2)
    assert plan.dropped == ["b_0", "b_1"]


def test_plain_sft_is_a_mean_over_the_tokens_of_the_step():
    """Two steps of two questions; every token of a step weighs the same."""
    batch = [question(name, solution=length) for name, length in zip("abcd", (3, 5, 10, 2), strict=True)]
    plan = plan_of(batch, feedback=constant(Coefficients(0, 0, 1)), n=2, sft_coef=2.0, pooled_sft=True)
    assert [row.sft_weight for row in plan.rows] == pytest.approx([2 / 8, 2 / 8, 2 / 12, 2 / 12])
    assert plan.means == []  # nobody was sampled from


def test_the_released_code_divides_by_the_longest_response_and_the_ranks_only():
    plan = plan_of([question("a", 1, 0), question("b", 0, 0)], ranks=4, sft_coef=0.3, n=2)
    assert [row.rl_weight for row in plan.rows] == pytest.approx([1 / (4 * 96)] * 2 + [0.0])
    assert plan.rows[2].sft_weight == pytest.approx(0.3 / 4)


# ---- properties ----

scores = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=8)
batches = st.lists(st.tuples(scores, st.none() | st.integers(1, 200)), min_size=1, max_size=12).map(
    lambda items: [question(f"q{i}", *s, solution=d) for i, (s, d) in enumerate(items)]
)
# Not below: a weight, which is a quotient of the coefficient, must not underflow to zero.
sft_coefs = st.just(0.0) | st.floats(1e-300, 3.0)
gammas = st.sampled_from([0.0, 1 / 3, 0.5, 1.0]) | st.floats(0.0, 1.0)
settings = {
    "batch": batches,
    "gamma": gammas,
    "n": st.integers(1, 13),
    "sft_coef": sft_coefs,
    "keep": st.booleans(),
}


@given(**settings)
def test_each_rollout_is_either_trained_on_or_dropped(batch, gamma, n, sft_coef, keep):
    plan = plan_of(batch, gamma=gamma, n=n, sft_coef=sft_coef, keep_idle=keep)
    kept = [row.key for row in plan.rows if row.kind == ROLLOUT]
    everything = [key for q in batch for key in q.rollouts]
    assert Counter(kept + plan.dropped) == Counter(everything)
    # A question's rollouts stay together: its advantages are relative to all of them.
    for q in batch:
        assert len(set(q.rollouts) & set(kept)) in (0, len(q.rollouts))


@given(**settings)
def test_the_gate_decides_alone_which_questions_go_to_sft(batch, gamma, n, sft_coef, keep):
    plan = plan_of(batch, gamma=gamma, n=n, sft_coef=sft_coef, keep_idle=keep)
    for q, mean in zip(batch, plan.means, strict=True):
        assert mean == pytest.approx(math.fsum(q.scores) / len(q.scores))
        below = mean <= gamma + 1e-6
        assert (q.uid in plan.rl) == (not below)
        to_sft = below and sft_coef > 0
        assert (q.uid in plan.sft) == (to_sft and q.demonstration is not None)
        assert (q.uid in plan.skipped) == (to_sft and q.demonstration is None)
    demonstrations = [row.uid for row in plan.rows if row.kind == DEMONSTRATION]
    assert demonstrations == plan.sft


@given(**settings)
def test_weights_times_tokens_sum_to_one_mean_over_questions(batch, gamma, n, sft_coef, keep):
    """A demonstration weighs lambda / N in all; the rollouts of a question, at L_max each, 1 / N."""
    plan = plan_of(batch, gamma=gamma, n=n, sft_coef=sft_coef, keep_idle=keep)
    lengths = {q.uid: q.demonstration_length for q in batch}
    totals = Counter()
    for row in plan.rows:
        totals[row.kind, row.uid] += (
            row.rl_weight * MAX_LENGTH + row.sft_weight * lengths[row.uid]
            if row.kind == DEMONSTRATION
            else row.rl_weight * MAX_LENGTH
        )
    for (kind, _), total in totals.items():
        assert total * n == pytest.approx(1.0 if kind == ROLLOUT else sft_coef, rel=1e-12)


@given(**settings)
def test_a_question_belongs_to_the_step_of_its_position(batch, gamma, n, sft_coef, keep):
    plan = plan_of(batch, gamma=gamma, n=n, sft_coef=sft_coef, keep_idle=keep)
    position = {q.uid: i for i, q in enumerate(batch)}
    for row in plan.rows:
        assert n * row.step <= position[row.uid] < n * (row.step + 1)
    assert [row.step for row in plan.rows] == sorted(row.step for row in plan.rows)


@given(batch=batches, gamma=gammas)
def test_what_is_dropped_by_default_has_zero_advantage_or_was_gated(batch, gamma):
    plan = plan_of(batch, gamma=gamma)
    dropped = set(plan.dropped)
    for q in batch:
        exact = [Fraction(s) for s in q.scores]
        mean = sum(exact) / len(exact) if len(exact) > 1 else 0  # one alone keeps its score
        advantages = [s - mean for s in exact]
        if q.uid in plan.rl and any(advantages):
            assert not dropped & set(q.rollouts)
        else:
            assert dropped >= set(q.rollouts)


# ---- micro-batches and ranks ----


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (13, 8, (14, 7)),
        (8, 8, (8, 8)),
        (9, 8, (10, 5)),
        (1, 8, (1, 1)),
        (7, 1, (7, 1)),
        (10, 4, (12, 4)),
    ],
)
def test_micro_batches_by_hand(rows, size, expected):
    assert micro_batches(rows, size) == expected


@pytest.mark.parametrize(
    ("rows", "ranks", "size", "expected"),
    [
        (0, 4, None, 0),
        (0, 4, 8, 0),
        (1, 4, None, 1),
        (9, 4, None, 3),
        (9, 4, 8, 3),  # fits into one micro-batch: nothing to make equal
        (26, 2, 8, 14),
        (16, 2, 8, 8),
        (5, 1, 2, 6),
    ],
)
def test_rows_per_rank_by_hand(rows, ranks, size, expected):
    assert rows_per_rank(rows, ranks, size) == expected


@given(st.integers(1, 400), st.integers(1, 40))
def test_micro_batches_are_as_few_as_possible_then_padded_as_little_as_possible(rows, limit):
    padded, size = micro_batches(rows, limit)
    candidates = [(count, count * equal - rows) for equal in range(1, limit + 1) for count in (-(-rows // equal),)]
    fewest, padding = min(candidates)
    assert padded % size == 0
    assert size <= limit
    assert (padded // size, padded - rows) == (fewest, padding)


@given(st.integers(0, 600), st.integers(1, 16), st.none() | st.integers(1, 40))
def test_every_rank_holds_enough_rows_and_the_worker_cuts_them_without_more_padding(rows, ranks, limit):
    count = rows_per_rank(rows, ranks, limit)
    assert count * ranks >= rows
    if limit is None or count == 0:
        assert count == math.ceil(rows / ranks)
        return
    # The worker repeats the division on what it was given; it has to come out even.
    assert micro_batches(count, limit)[0] == count
    assert count - math.ceil(rows / ranks) < math.ceil(count / limit)
