# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a rollout's first tokens count for, where they are the demonstration's, and the rows that a teacher scores.

Weights come from routing, the loss is compared in float64 with sums in loops, values and gradients.
"""

import math

import pytest
import torch

from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import composite_of, terms_of
from hpt.method.estimator.loss import hybrid_loss
from hpt.method.estimator.rows import Rows
from hpt.method.gate import Coefficients, constant
from hpt.method.plan import Imitated, Imitation, Question, RowKind
from hpt.method.routing import route, step_of_demonstrations

F64 = torch.float64
T, L_MAX = 6, 10
# Of two questions: sampled tokens and prefix of each rollout, scores.
SAMPLED = {"a": [3, 2, 4], "b": [2, 2, 1]}
PREFIX = {"a": [0, 2, 1], "b": [3, 0, 0]}
SCORES = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 1.0]}
MEAN = {"a": 1 / 3, "b": 2 / 3}


def plan_of(settings: HPTConfig, coefficients: Coefficients, plainly=()):
    """The plan; questions in ``plainly`` have no prefix."""
    composite = composite_of(settings)
    rollouts, demonstrations = terms_of(settings)
    questions = [
        Question(
            uid, [f"{uid}_{n}" for n in range(3)], SCORES[uid], [1] * 5, SAMPLED[uid],
            imitated=PREFIX[uid] if composite.prefixes == "imitated" and uid not in plainly else [0] * 3,
            shown=uid not in plainly,
        )
        for uid in SAMPLED
    ]  # fmt: skip
    return composite, route(
        questions,
        constant(coefficients),
        rollouts=rollouts,
        demonstrations=demonstrations,
        normalization=settings.normalization_with(2, L_MAX, 1),
        sft_coef=settings.sft_coef,
        keep_idle=True,
        imitation=Imitation(composite.imitated, settings.method.pooled_sft),
    )


def rows_of(plan, seed=0) -> Rows:
    random = torch.Generator().manual_seed(seed)
    lengths = {f"{uid}_{n}": (PREFIX[uid][n], SAMPLED[uid][n]) for uid in SAMPLED for n in range(3)}
    prefix = torch.tensor([lengths[row.key][0] for row in plan.rows])
    whole = torch.tensor([sum(lengths[row.key]) for row in plan.rows])
    size = (len(plan.rows), T)

    def log_prob():
        return -3 * torch.rand(*size, generator=random, dtype=F64) - 0.05

    return Rows(
        log_prob().requires_grad_(),
        log_prob(),
        torch.tensor([row.advantage for row in plan.rows], dtype=F64).unsqueeze(-1).expand(size),
        torch.arange(T) < whole.unsqueeze(-1),
        torch.tensor([int(row.kind) for row in plan.rows]),
        torch.tensor([row.rl_weight for row in plan.rows], dtype=F64),
        torch.tensor([row.sft_weight for row in plan.rows], dtype=F64),
        prefix,
        {
            "entropy": torch.rand(*size, generator=random, dtype=F64),
            "teacher_log_prob": log_prob(),
            "mean_score": torch.tensor([row.mean_score for row in plan.rows], dtype=F64).unsqueeze(-1).expand(size),
        },
    )


def published(strategy: str, rows: Rows, plan) -> torch.Tensor:
    """The loss of two questions with three rollouts each, in loops."""
    total = rows.log_prob.sum() * 0
    imitated = sum(PREFIX[uid][n] for uid in PREFIX for n in range(3))
    for i, row in enumerate(plan.rows):
        uid, n = row.key.split("_")
        prefix, sampled, reward = PREFIX[uid][int(n)], SAMPLED[uid][int(n)], SCORES[uid][int(n)]
        advantage = reward - MEAN[uid]
        if strategy != "trapo":  # GRPO's deviation over the group
            variance = sum((score - MEAN[uid]) ** 2 for score in SCORES[uid]) / 2
            advantage /= math.sqrt(variance) + 1e-6
        per_token = 2 * 3 * (L_MAX if strategy == "trapo" else sampled)
        uncertain = sorted(range(prefix), key=lambda t: rows.inputs["entropy"][i, t].item())[int(0.8 * prefix + 1e-9) :]
        for t in range(prefix + sampled):
            token = rows.log_prob[i, t]
            ratio = (token - rows.old_log_prob[i, t]).exp()
            if t >= prefix:
                if strategy != "trapo":  # clipped at .2
                    ratio = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)) / (advantage or 1.0)
                total = total - advantage * ratio / per_token
            elif strategy == "uft":
                total = total - 0.001 * token / imitated
            elif strategy == "trapo":
                total = total - token.exp() / max(token.exp().item(), 0.1) / (2 * 3 * L_MAX)
            elif strategy == "prefix_rft" and t in uncertain:
                total = total - advantage * ratio / per_token
    return total


CASES = {
    "uft": Coefficients(1.0, 0.0, 0.001),
    "trapo": Coefficients(1.0, 0.0, 1.0),
    "prefix_rft": Coefficients(1.0, 0.0, 0.0),
    "bread": Coefficients(1.0, 0.0, 0.0),
}


@pytest.mark.parametrize("strategy", CASES)
def test_own_tokens_and_prefix_have_a_term_each(strategy):
    composite, plan = plan_of(HPTConfig(strategy=strategy), CASES[strategy])
    assert len(plan.rows) == 6
    rows = rows_of(plan)
    ours = hybrid_loss(rows, composite).total
    expected = published(strategy, rows, plan)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-12)
    gradients = [torch.autograd.grad(loss, rows.log_prob, retain_graph=True)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)
    given = torch.arange(T) < rows.prefix.unsqueeze(-1)
    assert (gradients[0][given].abs().sum() > 0) == (strategy != "bread")


@pytest.mark.parametrize("strategy", CASES)
def test_questions_count_as_shown_or_imitated_where_they_have_a_prefix(strategy):
    _, plan = plan_of(HPTConfig(strategy=strategy), CASES[strategy], plainly=["b"])
    assert plan.shown == ["a"] and plan.demonstrated == [] and len(plan.rows) == 6
    assert plan.sft == (["a"] if CASES[strategy].sft else [])


@pytest.mark.parametrize("strategy", CASES)
def test_the_loss_does_not_depend_on_the_packing(strategy):
    composite, plan = plan_of(HPTConfig(strategy=strategy), CASES[strategy])
    rows = rows_of(plan)
    whole = hybrid_loss(rows, composite).total
    parts = [hybrid_loss(rows.where(torch.tensor(chosen)), composite).total for chosen in (
        [True, False, False, True, True, False], [False, True, True, False, False, True],
    )]  # fmt: skip
    assert whole.item() == pytest.approx(sum(parts).item(), rel=1e-12)


def test_elsewhere_a_prefix_counts_as_the_rollouts_own_tokens():
    composite, plan = plan_of(HPTConfig(strategy="rl_only"), Coefficients(1.0, 0.0, 0.0))
    rows = rows_of(plan)
    with_prefix, without = (hybrid_loss(each, composite).total for each in (rows, rows._replace(prefix=None)))
    assert composite.prefixes == "alike" and with_prefix.item() == without.item()


def test_a_teachers_rollouts_are_means_over_questions_rollouts_and_tokens():
    """-(log pi_T - log pi) log pi x min(r, 2), constants in front of the last log pi; mean of means."""
    settings = HPTConfig(strategy="self_distill", gamma=1.0, sft_coef=0.5)
    composite, plan = plan_of(settings, Coefficients(0.0, 0.0, 1.0), plainly=["a", "b"])
    assert composite.imitated == Imitated.ROLLOUTS
    assert plan.sft == plan.shown == ["a", "b"] and plan.demonstrated == []
    rows = rows_of(plan)._replace(prefix=None)
    rows = rows._replace(mask=torch.arange(T) < torch.tensor([3, 2, 4, 2, 2, 1]).unsqueeze(-1))
    expected = rows.log_prob.sum() * 0
    for i, row in enumerate(plan.rows):
        assert row.kind == RowKind.ROLLOUT and row.rl_weight == 0
        uid, n = row.key.split("_")
        length = SAMPLED[uid][int(n)]
        for t in range(length):
            token, teacher = rows.log_prob[i, t], rows.inputs["teacher_log_prob"][i, t].item()
            weight = min(math.exp(token.item() - rows.old_log_prob[i, t].item()), 2.0)
            expected = expected - 0.5 * weight * (teacher - token.item()) * token / (2 * 3 * length)
    ours = hybrid_loss(rows, composite).total
    assert ours.item() == pytest.approx(expected.item(), rel=1e-12)
    gradients = [torch.autograd.grad(loss, rows.log_prob, retain_graph=True)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)


def test_chord_is_a_mean_over_tokens_of_both_kinds():
    """(1 - mu) GRPO + mu SFT, each a mean over all its tokens; at mu 1 the weights are those of plain SFT."""
    settings = HPTConfig(strategy="chord")
    _, plan = plan_of(settings, Coefficients(0.25, 0.0, 0.75))
    by_kind = {kind: [row for row in plan.rows if row.kind == kind] for kind in RowKind}
    tokens = sum(map(sum, SAMPLED.values()))
    assert [row.rl_weight for row in by_kind[RowKind.ROLLOUT]] == pytest.approx([0.25 / tokens] * 6)
    assert [row.sft_weight for row in by_kind[RowKind.DEMONSTRATION]] == pytest.approx([0.75 / 10] * 2)
    plain = HPTConfig(strategy="sft_only").normalization_with(2, L_MAX, 1)
    assert 0.75 / plain.sft(5, 10) == by_kind[RowKind.DEMONSTRATION][0].sft_weight


def test_a_step_of_demonstrations_is_a_mean_over_their_tokens():
    normalization = HPTConfig(strategy="relift").normalization_with(2, L_MAX, 1)
    rows = step_of_demonstrations({"a": 3, "b": 7}, normalization, 0.5, step=4)
    assert [(row.uid, row.step, row.sft_weight, row.rl_weight) for row in rows] == [
        ("a", 4, 0.05, 0),
        ("b", 4, 0.05, 0),
    ]
