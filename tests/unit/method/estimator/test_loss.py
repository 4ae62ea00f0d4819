# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid loss against a second implementation: loops over questions, straight from the paper.

The policy is a table: the logits of the next token given the previous one, (V, V).
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from verl.trainer.ppo.core_algos import get_policy_loss_fn
from verl.workers.config import ActorConfig

from hpt.method.estimator import loss as module
from hpt.method.estimator.composite import Composite
from hpt.method.estimator.loss import HybridLoss, hybrid_loss
from hpt.method.gate import switch
from hpt.method.normalization import PromptNormalization
from hpt.method.routing import Question, RowKind, route
from tests.helpers.terms import DR_GRPO, LUFFY

F64 = torch.float64
V, L_MAX, GAMMA, LAMBDA = 9, 12, 0.0, 0.7
START = 0  # the token before every response


@dataclass
class Item:
    """A question of the batch: token lists of its rollouts, their scores, its demonstration."""

    rollouts: list[list[int]]
    scores: list[float]
    solution: list[int]


def make_table(seed: int) -> torch.Tensor:
    return torch.randn(V, V, generator=torch.Generator().manual_seed(seed), dtype=F64)


def make_batch(seed: int = 0) -> list[Item]:
    """Five questions, two unsolved, one solved, two mixed; responses of 1 to L_MAX tokens."""
    random = torch.Generator().manual_seed(seed)

    def tokens() -> list[int]:
        length = int(torch.randint(1, L_MAX + 1, (), generator=random))
        return torch.randint(0, V, (length,), generator=random).tolist()

    def item(*scores: float) -> Item:
        return Item([tokens() for _ in scores], list(scores), tokens())

    return [item(0, 0, 0), item(1, 0, 0), item(1, 1, 1), item(0, 0, 0), item(0.25, 1, 0.5)]


def log_probs(table: torch.Tensor, tokens: list[int]) -> list[torch.Tensor]:
    previous = [START, *tokens[:-1]]
    return [table[p].log_softmax(-1)[t] for p, t in zip(previous, tokens, strict=True)]


def naive_loss(
    batch: list[Item], table: torch.Tensor, old_table: torch.Tensor, clip_ratio: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(RL term, SFT term) of one optimizer step over the N questions of ``batch``."""
    rl = sft = table.sum() * 0
    for item in batch:
        mean = sum(item.scores) / len(item.scores)
        if mean <= GAMMA:
            for log_prob in log_probs(table, item.solution):
                sft = sft - LAMBDA / (len(batch) * len(item.solution)) * log_prob
            continue
        for tokens, score in zip(item.rollouts, item.scores, strict=True):
            advantage = score - mean
            weight = 1 / (len(batch) * len(item.rollouts) * L_MAX)
            new, old = log_probs(table, tokens), log_probs(old_table, tokens)
            for log_prob, old_log_prob in zip(new, old, strict=True):
                ratio = torch.exp(log_prob - old_log_prob.detach())
                objective = advantage * ratio
                if clip_ratio is not None:
                    bounded = ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
                    objective = torch.minimum(objective, advantage * bounded)
                rl = rl - weight * objective
    return rl, sft


@dataclass
class Rows:
    """Arguments of hybrid_loss for the rows that routing makes of a batch, in one padded tensor."""

    log_prob: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    response_mask: torch.Tensor
    row_kind: torch.Tensor
    rl_weight: torch.Tensor
    sft_weight: torch.Tensor

    def __getitem__(self, index) -> "Rows":
        return Rows(*(x[index] for x in vars(self).values()))

    def loss(self, clip_ratio=None, **params) -> HybridLoss:
        composite = Composite(rollout_params={"clip_ratio": clip_ratio})
        return hybrid_loss(module.Rows(*vars(self).values()), composite, **params)


def make_rows(
    batch: list[Item],
    table: torch.Tensor,
    old_table: torch.Tensor,
    padding_rows: int = 2,
    garbage: float = 0.0,
    only: str | None = None,
) -> Rows:
    """Gate, route and pad the batch; ``garbage`` fills one field, or all, outside the mask."""

    def filler(name: str) -> float:
        return garbage if only in (None, name) else 0.0

    questions = [
        Question(str(i), [f"{i}_{j}" for j in range(len(x.scores))], x.scores, x.solution) for i, x in enumerate(batch)
    ]
    plan = route(
        questions,
        switch(GAMMA),
        rollouts=DR_GRPO,
        demonstrations=LUFFY,
        normalization=PromptNormalization(len(batch), L_MAX),
        sft_coef=LAMBDA,
        keep_idle=False,
    )
    tokens = []
    for row in plan.rows:
        item = batch[int(row.uid)]
        if row.kind == RowKind.ROLLOUT:
            tokens.append(item.rollouts[int(row.key.split("_")[1])])
        else:
            tokens.append(item.solution)
    kinds = [row.kind for row in plan.rows] + [RowKind.PADDING] * padding_rows
    nonsense = [123.0] * padding_rows  # must not matter
    return Rows(
        # Also what fills the padding hangs on the policy, so that its gradient can be seen to be zero.
        log_prob=pad(
            [log_probs(table, x) for x in tokens],
            padding_rows,
            filler("log_prob") + 0 * table.sum(),
        ),
        old_log_prob=pad([log_probs(old_table, x) for x in tokens], padding_rows, filler("old_log_prob")).detach(),
        advantages=pad(
            [[row.advantage] * len(x) for row, x in zip(plan.rows, tokens, strict=True)],
            padding_rows,
            filler("advantages"),
        ),
        response_mask=pad([[1] * len(x) for x in tokens], padding_rows, 0).bool(),
        row_kind=torch.tensor([int(kind) for kind in kinds]),
        rl_weight=torch.tensor([row.rl_weight for row in plan.rows] + nonsense, dtype=F64),
        sft_weight=torch.tensor([row.sft_weight for row in plan.rows] + nonsense, dtype=F64),
    )


def pad(rows: list[list], padding_rows: int, value: float | torch.Tensor) -> torch.Tensor:
    def cell(x) -> torch.Tensor:
        return x if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=F64)

    filled = [[*map(cell, row), *[cell(value)] * (L_MAX - len(row))] for row in rows]
    filled += [[cell(value)] * L_MAX for _ in range(padding_rows)]
    return torch.stack([torch.stack(row) for row in filled])


def gradient(loss: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    (result,) = torch.autograd.grad(loss, table, retain_graph=True)
    return result


@pytest.fixture(scope="module")
def setting() -> SimpleNamespace:
    table = make_table(1).requires_grad_()
    old_table = table.detach() + 0.3 * make_table(2)
    return SimpleNamespace(
        table=table,
        old=old_table,
        batch=make_batch(),
        rows=make_rows(make_batch(), table, old_table),
    )


def equal(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("clip_ratio", [None, 0.2])
def test_value_and_gradient_equal_the_loop_over_questions(seed, clip_ratio):
    table = make_table(10 + seed).requires_grad_()
    old_table = table.detach() + 0.3 * make_table(20 + seed)
    batch = make_batch(seed)
    loss = make_rows(batch, table, old_table).loss(clip_ratio=clip_ratio)
    rl, sft = naive_loss(batch, table, old_table, clip_ratio)
    equal(loss.rl, rl)
    equal(loss.sft, sft)
    equal(loss.total, rl + sft)
    equal(gradient(loss.rl, table), gradient(rl, table))
    equal(gradient(loss.sft, table), gradient(sft, table))
    equal(gradient(loss.total, table), gradient(rl + sft, table))
    assert gradient(rl, table).norm() > 1e-3
    assert gradient(sft, table).norm() > 1e-3


def test_the_clip_changes_the_loss_of_this_batch(setting):
    assert abs(setting.rows.loss(clip_ratio=0.2).rl - setting.rows.loss().rl) > 1e-4


def test_one_question_of_each_kind_by_hand():
    """N = 2, n = 2, L_max = 10, lambda = 0.5; old = new, so the RL value is -sum of weight * A."""
    half = math.log(0.5)
    loss = Rows(
        log_prob=torch.tensor([[half, half], [half, half], [half, 2 * half]], dtype=F64),
        old_log_prob=torch.tensor([[half, half], [half, half], [0.0, 0.0]], dtype=F64),
        advantages=torch.tensor([[0.5, 0.5], [-0.5, -0.5], [1.0, 1.0]], dtype=F64),
        response_mask=torch.tensor([[1, 0], [1, 1], [1, 1]]),
        row_kind=torch.tensor([0, 0, 1]),
        rl_weight=torch.tensor([1 / 40, 1 / 40, 0.0], dtype=F64),
        sft_weight=torch.tensor([0.0, 0.0, 0.5 / 4], dtype=F64),
    ).loss()
    assert loss.rl.item() == pytest.approx(-0.5 / 40 + 2 * 0.5 / 40, abs=1e-15)
    assert loss.sft.item() == pytest.approx(0.125 * 3 * math.log(2), abs=1e-15)
    assert (loss.entropy.item(), loss.kl.item()) == (0.0, 0.0)


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_sum_over_micro_batches_does_not_depend_on_how_rows_are_packed(setting, parts, seed):
    rows, table = setting.rows, setting.table
    expected = [*naive_loss(setting.batch, table, setting.old)]
    order = torch.randperm(len(rows.row_kind), generator=torch.Generator().manual_seed(seed))
    losses = []
    for index in order.chunk(parts):
        micro_batch = rows[index]
        # The engine pads a micro-batch to its own longest response.
        longest = int(micro_batch.response_mask.sum(-1).max())
        for name in ("log_prob", "old_log_prob", "advantages", "response_mask"):
            setattr(micro_batch, name, getattr(micro_batch, name)[:, :longest])
        losses.append(micro_batch.loss())
    assert len(losses) == parts
    equal(sum(loss.rl for loss in losses), expected[0])
    equal(sum(loss.sft for loss in losses), expected[1])
    equal(sum(gradient(loss.total, table) for loss in losses), gradient(sum(expected), table))


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", [None, "log_prob", "old_log_prob", "advantages"])
@pytest.mark.parametrize("clip_ratio", [None, 0.2])
def test_garbage_outside_the_mask_reaches_neither_value_nor_gradient(setting, garbage, field, clip_ratio):
    table = setting.table
    rows = make_rows(setting.batch, table, setting.old, garbage=garbage, only=field)
    assert not getattr(rows, field or "log_prob").isfinite().all()
    loss = rows.loss(clip_ratio=clip_ratio)
    rl, sft = naive_loss(setting.batch, table, setting.old, clip_ratio)
    equal(loss.total, rl + sft)
    equal(gradient(loss.total, table), gradient(rl + sft, table))


@pytest.mark.parametrize("garbage", [math.nan, math.inf])
def test_garbage_in_entropy_and_kl_outside_the_mask_is_left_out_too(setting, garbage):
    rows = setting.rows
    clean = torch.linspace(0, 1, rows.log_prob.numel(), dtype=F64).view_as(rows.log_prob)
    dirty = torch.where(rows.response_mask, clean, garbage).requires_grad_()
    loss = rows.loss(entropy=dirty, entropy_coeff=0.1, kl=dirty, kl_coef=0.2)
    expected = rows.loss(entropy=clean, entropy_coeff=0.1, kl=clean, kl_coef=0.2)
    equal(loss.total, expected.total)
    loss.total.backward(retain_graph=True, inputs=[dirty])
    assert dirty.grad.isfinite().all()


# ---- micro-batches in which a kind of row is absent ----


def only(rows: Rows, kind: RowKind) -> Rows:
    return rows[rows.row_kind == kind]


def test_only_rollouts_leave_an_sft_term_of_zero_that_runs_backward(setting):
    loss = only(setting.rows, RowKind.ROLLOUT).loss()
    rl, _ = naive_loss(setting.batch, setting.table, setting.old)
    assert loss.sft.item() == 0.0
    equal(gradient(loss.sft, setting.table), torch.zeros(V, V, dtype=F64))
    equal(gradient(loss.total, setting.table), gradient(rl, setting.table))


def test_only_demonstrations_leave_an_rl_term_of_zero_that_runs_backward(setting):
    loss = only(setting.rows, RowKind.DEMONSTRATION).loss(clip_ratio=0.2)
    _, sft = naive_loss(setting.batch, setting.table, setting.old)
    assert loss.rl.item() == 0.0
    equal(gradient(loss.rl, setting.table), torch.zeros(V, V, dtype=F64))
    equal(gradient(loss.total, setting.table), gradient(sft, setting.table))


@pytest.mark.parametrize("garbage", [0.0, math.nan])
def test_only_padding_runs_backward_and_gives_a_gradient_of_zero(setting, garbage):
    """Every rank has to join FSDP's collectives, also the one whose only row is padding."""
    rows = make_rows(setting.batch, setting.table, setting.old, garbage=garbage)
    padding = only(rows, RowKind.PADDING)
    loss = padding.loss(
        clip_ratio=0.2,
        entropy=padding.log_prob,
        entropy_coeff=0.1,
        kl=padding.log_prob,
        kl_coef=0.1,
    )
    assert loss.total.item() == 0.0
    equal(gradient(loss.total, setting.table), torch.zeros(V, V, dtype=F64))


def test_padding_adds_nothing_even_if_its_mask_and_weight_say_otherwise(setting):
    rows = make_rows(setting.batch, setting.table, setting.old, padding_rows=3, garbage=-1.0)
    is_padding = rows.row_kind == RowKind.PADDING
    extra = {"entropy": torch.rand_like(rows.log_prob), "kl": torch.rand_like(rows.log_prob)}
    coefficients = {"entropy_coeff": 0.5, "kl_coef": 0.25}
    expected = rows[~is_padding].loss(**{name: values[~is_padding] for name, values in extra.items()}, **coefficients)
    rows.response_mask[is_padding] = True
    got = rows.loss(**extra, **coefficients)
    for name, value in expected._asdict().items():
        equal(getattr(got, name), value)
        assert value != 0 or name == "off"


# ---- entropy and KL ----


def test_entropy_and_kl_act_on_rollout_tokens_under_the_weight_of_the_rl_term(setting):
    rows = setting.rows
    entropy = torch.rand_like(rows.log_prob.detach()).requires_grad_()
    kl = torch.rand_like(rows.log_prob.detach()).requires_grad_()
    loss = rows.loss(entropy=entropy, entropy_coeff=0.01, kl=kl, kl_coef=0.05)
    expected_entropy = expected_kl = 0.0
    for i, kind in enumerate(rows.row_kind.tolist()):
        for t in range(L_MAX):
            if kind == RowKind.ROLLOUT and rows.response_mask[i, t]:
                expected_entropy -= 0.01 * rows.rl_weight[i] * entropy[i, t]
                expected_kl += 0.05 * rows.rl_weight[i] * kl[i, t]
    equal(loss.entropy, expected_entropy)
    equal(loss.kl, expected_kl)
    equal(loss.total, loss.rl + loss.sft + expected_entropy + expected_kl)
    equal(rows.loss().total, loss.rl + loss.sft)


@pytest.mark.parametrize(("name", "coefficient"), [("entropy", "entropy_coeff"), ("KL", "kl_coef")])
def test_a_coefficient_without_its_values_is_refused(setting, name, coefficient):
    with pytest.raises(ValueError, match=rf"coefficient of 0\.5 for the {name} term needs the {name}"):
        setting.rows.loss(**{coefficient: 0.5})


# ---- numerics and verl ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_improbable_tokens_and_large_ratios_stay_finite(dtype):
    log_prob = torch.tensor([[-50.0, -1e-3]] * 4, dtype=dtype, requires_grad=True)
    loss = Rows(
        log_prob,
        torch.tensor([[-1e-3, -50.0]] * 4, dtype=dtype),
        torch.tensor([[0.5] * 2, [-0.5] * 2, [1.0] * 2, [0.0] * 2], dtype=dtype),
        torch.ones(4, 2, dtype=torch.bool),
        torch.tensor([0, 0, 1, 2]),
        torch.tensor([1e-3, 1e-3, 0.0, 0.0]),
        torch.tensor([0.0, 0.0, 0.5, 0.0]),
    ).loss()
    loss.total.backward()
    assert loss.total.isfinite()
    assert log_prob.grad.isfinite().all()
    assert log_prob.grad[2].tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clip_ratio", [0.2, (0.1, 0.3)], ids=str)
def test_with_a_clip_rollout_rows_are_verls_vanilla_loss(seed, clip_ratio):
    """Ratios stay below verl's dual clip at 3; weights 1 against a plain sum over tokens."""
    random = torch.Generator().manual_seed(seed)
    log_prob = -3 * torch.rand(6, 8, generator=random, dtype=F64) - 1
    old_log_prob = log_prob + 2 * torch.rand(6, 8, generator=random, dtype=F64) - 1
    advantages = torch.randn(6, 1, generator=random, dtype=F64).expand(6, 8)
    mask = torch.rand(6, 8, generator=random) < 0.8
    low, high = clip_ratio if isinstance(clip_ratio, tuple) else (clip_ratio, clip_ratio)
    config = ActorConfig(
        strategy="fsdp2",
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=low,
        clip_ratio_high=high,
    )
    ours, verls = log_prob.clone().requires_grad_(), log_prob.clone().requires_grad_()
    kinds, ones = torch.zeros(6, dtype=torch.long), torch.ones(6, dtype=F64)
    rows = Rows(ours, old_log_prob, advantages, mask, kinds, ones, 0 * ones)
    loss = rows.loss(clip_ratio=clip_ratio).total
    expected, metrics = get_policy_loss_fn("vanilla")(
        old_log_prob, verls, advantages, mask, loss_agg_mode="token-sum", config=config
    )
    assert 0 < metrics["actor/pg_clipfrac"] < 1
    assert metrics["actor/pg_clipfrac_lower"] == 0
    equal(loss, expected)
    loss.backward()
    expected.backward()
    equal(ours.grad, verls.grad)
