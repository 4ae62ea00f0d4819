# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Methods as composites: their losses by hand, under both normalizations.

Every case has rows of two tokens with given log-probabilities; the arithmetic is written out.
"""

import math

import pytest
import torch

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import Composite, composite_of, terms_of
from hpt.method.estimator.loss import Rows, hybrid_loss
from hpt.method.gate import RL
from hpt.method.normalization import PromptNormalization, ReleasedNormalization
from hpt.method.routing import Question, RowKind, route

F64 = torch.float64
ROLLOUT, DEMONSTRATION = RowKind.ROLLOUT, RowKind.DEMONSTRATION
L_MAX = 10


def plan_of(settings: HPTConfig, *questions: Question, n: int = 1, ranks: int | None = None):
    rollouts, demonstrations = terms_of(settings)
    return route(
        questions,
        settings.feedback,
        rollouts=rollouts,
        demonstrations=demonstrations,
        normalization=PromptNormalization(n, L_MAX) if ranks is None else ReleasedNormalization(n, L_MAX, ranks),
        sft_coef=settings.sft_coef,
        off_coef=settings.off_coef,
        keep_idle=False,
    )


def question(uid: str, *scores: float, lengths=None) -> Question:
    keys = [f"{uid}{i}" for i in range(len(scores))]
    return Question(uid, keys, scores, [0, 0], lengths or [2] * len(scores))


def rows_of(plan, probabilities: list[list[float]], old: list[list[float]] | None = None) -> Rows:
    """Rows of the plan with these token probabilities, NaN where a row has no token."""
    p = torch.tensor(probabilities, dtype=F64)
    mask = ~p.isnan()
    log_prob = torch.where(mask, p, 1.0).log().requires_grad_()
    olds = p if old is None else torch.tensor(old, dtype=F64)

    def column(name):
        return torch.tensor([getattr(row, name) for row in plan.rows], dtype=F64)

    return Rows(
        log_prob,
        torch.where(mask, olds, 1.0).log(),
        column("advantage").unsqueeze(-1).expand_as(p),
        mask,
        torch.tensor([int(row.kind) for row in plan.rows]),
        column("rl_weight"),
        column("sft_weight"),
    )


def slopes(loss, rows: Rows) -> list[list[float]]:
    """Gradient by log pi of every token."""
    (gradient,) = torch.autograd.grad(loss.total, rows.log_prob)
    return gradient.tolist()


def approx(values):
    return [pytest.approx(row, rel=1e-5, abs=1e-12) for row in values]


# ---- normalization: prompt ----


def test_luffy_with_table_1s_advantages():
    """One question, 2 rollouts (1, 0) and the demonstration: scores 1, 0, 1, mean 2/3, std 1/sqrt 3.

    A = 1/sqrt 3 for a solved row and the demonstration, -2/sqrt 3 for the failed one. Weight
    1 / (1 * 3 * 10). On policy the slope of -A ratio is -A; of -A p / (p + .1) it is
    -A * .1 p / (p + .1)^2, which for p = .1 is -A / 4 and for p = .4 is -A * .04 / .25 = -.16 A.
    """
    settings = HPTConfig(strategy="luffy")
    plan = plan_of(settings, question("a", 1, 0))
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan], [0.1, 0.4]])
    loss = hybrid_loss(rows, composite_of(settings))
    a, weight = 1 / math.sqrt(3), 1 / 30
    assert loss.rl.item() == pytest.approx(-weight * (2 * a - 2 * a), abs=1e-7)
    assert loss.off.item() == pytest.approx(-weight * a * (0.5 + 0.8), rel=1e-5)
    assert slopes(loss, rows) == approx(
        [[-weight * a, -weight * a], [2 * weight * a, 0], [-weight * a / 4, -weight * a * 0.16]]
    )


def test_srft_weighs_by_the_rows_entropy():
    """One question, rollouts (1, 0), sft_coef 1; entropies .2 and .4 of the solved rollout, so H = .3.

    Rollouts: -w_on log pi / 30 with w_on = .1 exp(.3) if solved, + log pi / 30 if failed. Demonstration,
    H = .5: -.5 exp(-.5) log pi / 2 (mean of two tokens), and RL with A = 1 / sqrt 3: -A p / 30.
    """
    settings = HPTConfig(strategy="srft")
    plan = plan_of(settings, question("a", 1, 0))
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan], [0.1, 0.4]])
    entropy = torch.tensor([[0.2, 0.4], [9.0, 99.0], [0.5, 0.5]], dtype=F64, requires_grad=True)
    loss = hybrid_loss(rows, composite_of(settings), entropy=entropy)
    on, sft, a = 0.1 * math.exp(0.3), 0.5 * math.exp(-0.5), 1 / math.sqrt(3)
    log_half, log_ten, log_4 = math.log(0.5), math.log(0.1), math.log(0.4)
    assert loss.rl.item() == pytest.approx((-on * 2 * log_half + log_half) / 30)
    assert loss.sft.item() == pytest.approx(-sft * (log_ten + log_4) / 2)
    assert loss.off.item() == pytest.approx(-a * (0.1 + 0.4) / 30, rel=1e-5)
    assert slopes(loss, rows) == approx(
        [
            [-on / 30, -on / 30],
            [1 / 30, 0],
            [-sft / 2 - a * 0.1 / 30, -sft / 2 - a * 0.4 / 30],
        ]
    )
    # H is a weight, not a term: nothing is differentiated through it.
    assert torch.autograd.grad(loss.total, entropy, allow_unused=True) == (None,)


def test_srft_without_entropy_is_refused():
    settings = HPTConfig(strategy="srft")
    rows = rows_of(plan_of(settings, question("a", 1, 0)), [[0.5, 0.5]] * 3)
    with pytest.raises(ValueError, match="the reweighting 'srft' needs the entropy per token"):
        hybrid_loss(rows, composite_of(settings))


def test_mix_on_adds_off_policy_rl_and_sft_on_one_demonstration():
    """Gated, so alone in its group: A = 1. -p/(p+.1) / 10 and, with sft_coef .1, -.1 log p / 2."""
    settings = HPTConfig(strategy="mix_on", sft_coef=0.1)
    rows = rows_of(plan_of(settings, question("a", 0, 0)), [[0.1, 0.4]])
    loss = hybrid_loss(rows, composite_of(settings))
    assert loss.off.item() == pytest.approx(-(0.5 + 0.8) / 10)
    assert loss.sft.item() == pytest.approx(-0.1 * (math.log(0.1) + math.log(0.4)) / 2)
    assert slopes(loss, rows) == approx([[-0.25 / 10 - 0.05, -0.16 / 10 - 0.05]])


def test_grpo_divides_by_length_and_deviation_and_clips():
    """Lengths 2 and 1, scores 1 and 0: A = +-1/sqrt 2. Ratios 2 (clipped at 1.2) and 1."""
    settings = HPTConfig(strategy="rl_only", rollout_algorithm="grpo", clip_ratio=0.2)
    plan = plan_of(settings, question("a", 1, 0, lengths=[2, 1]))
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan]], [[0.25, 0.5], [0.5, math.nan]])
    loss = hybrid_loss(rows, composite_of(settings))
    a = 1 / math.sqrt(2)
    assert loss.rl.item() == pytest.approx(-a * (1.2 + 1) / 4 + a / 2, rel=1e-5)
    assert slopes(loss, rows) == approx([[0, -a / 4], [a / 2, 0]])


# ---- normalization: released ----


def released(**settings) -> tuple[HPTConfig, Composite]:
    config = HPTConfig(normalization="released", **settings)
    return config, composite_of(config)


def test_the_released_switch():
    """Questions a (1, 0) to RL and b (0, 0) to SFT, sft_coef .3, one rank.

    RL: A = +-.5, -A ratio summed over rows and tokens, / 10. SFT: .3 times the mean over b's tokens.
    Entropy: -.001 times the mean over all five tokens, the demonstration's included.
    """
    settings, composite = released(sft_coef=0.3)
    plan = plan_of(settings, question("a", 1, 0), question("b", 0, 0), n=2, ranks=1)
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan], [0.1, 0.4]])
    entropy = torch.tensor([[1.0, 2.0], [3.0, 99.0], [4.0, 5.0]], dtype=F64)
    loss = hybrid_loss(rows, composite, entropy=entropy, entropy_coeff=0.001)
    assert loss.rl.item() == pytest.approx(-(0.5 + 0.5 - 0.5) / 10)
    assert loss.sft.item() == pytest.approx(-0.3 * (math.log(0.1) + math.log(0.4)) / 2)
    assert loss.entropy.item() == pytest.approx(-0.001 * (1 + 2 + 3 + 4 + 5) / 5)
    assert slopes(loss, rows) == approx([[-0.05, -0.05], [0.05, 0], [-0.15, -0.15]])


def test_the_released_luffy():
    """Rollouts (1, 0) and the demonstration: A = R - 2/3 without a deviation, sum / 10."""
    settings, composite = released(strategy="luffy")
    plan = plan_of(settings, question("a", 1, 0), ranks=1)
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan], [0.1, 0.4]])
    loss = hybrid_loss(rows, composite)
    assert loss.rl.item() == pytest.approx(-(1 / 3 + 1 / 3 - 2 / 3) / 10, abs=1e-12)
    assert loss.off.item() == pytest.approx(-(1 / 3) * (0.5 + 0.8) / 10)
    assert loss.sft.item() == 0.0
    third = 1 / 30
    assert slopes(loss, rows) == approx([[-third, -third], [2 * third, 0], [-third / 4, -third * 0.16]])


def test_the_released_srft():
    """a = w_on if correct else -1; the demonstration's RL term is LUFFY's; SFT is a weighted mean."""
    settings, composite = released(strategy="srft")
    plan = plan_of(settings, question("a", 1, 0), ranks=1)
    rows = rows_of(plan, [[0.5, 0.5], [0.5, math.nan], [0.1, 0.4]])
    entropy = torch.tensor([[0.2, 0.4], [9.0, 99.0], [0.5, 0.5]], dtype=F64)
    loss = hybrid_loss(rows, composite, entropy=entropy)
    on, sft = 0.1 * math.exp(0.3), 0.5 * math.exp(-0.5)
    log_half = math.log(0.5)
    assert loss.rl.item() == pytest.approx((-on * 2 * log_half + log_half) / 10)
    assert loss.off.item() == pytest.approx(-(1 / 3) * (0.5 + 0.8) / 10)
    assert loss.sft.item() == pytest.approx(-sft * (math.log(0.1) + math.log(0.4)) / 2)
    third = 1 / 30
    assert slopes(loss, rows) == approx(
        [[-on / 10, -on / 10], [0.1, 0], [-sft / 2 - third / 4, -sft / 2 - third * 0.16]]
    )


def test_the_released_sft_weight_depends_on_packing_and_ours_does_not():
    """Two demonstrations, of 1 and 3 tokens, every token with slope s.

    In one micro-batch: a mean over 4 tokens, s = -1/4 each. In two: s = -1 for the short one's token
    and -1/3 for the long one's, and the losses are added: twice the weight in all.
    """
    probabilities = [[0.5, math.nan, math.nan], [0.5, 0.5, 0.5]]
    lengths = {"a": 1, "b": 3}
    questions = [Question(uid, [f"{uid}0"], [0.0], [0] * length) for uid, length in lengths.items()]
    for normalization, together, apart in (
        ("released", [[-1 / 4, 0, 0], [-1 / 4] * 3], [[-1, 0, 0], [-1 / 3] * 3]),
        ("prompt", [[-1 / 2, 0, 0], [-1 / 6] * 3], [[-1 / 2, 0, 0], [-1 / 6] * 3]),
    ):
        settings = HPTConfig(normalization=normalization)
        ranks = 1 if normalization == "released" else None
        rows = rows_of(plan_of(settings, *questions, n=2, ranks=ranks), probabilities)
        composite = composite_of(settings)
        assert slopes(hybrid_loss(rows, composite), rows) == approx(together)
        halves = [rows.where(torch.arange(2) == i) for i in range(2)]
        separate = [hybrid_loss(half, composite).total for half in halves]
        (gradient,) = torch.autograd.grad(sum(separate), rows.log_prob)
        assert gradient.tolist() == approx(apart)


# ---- settings ----


def test_an_unknown_entry_lists_the_options():
    with pytest.raises(ConfigError, match=r"Unknown algorithm 'ppp'. Available: chord_phi, cispo, dft, dr_grpo"):
        composite_of(HPTConfig(rollout_algorithm="ppp"))
    with pytest.raises(ConfigError, match="Unknown algorithm 'luffi'"):
        composite_of(HPTConfig(demonstration_algorithm="luffi"))


@pytest.mark.parametrize("name", ["grpo", "cispo", "gspo"])
def test_an_entry_that_reads_pi_old_serves_both_kinds_of_rows(name):
    assert composite_of(HPTConfig(demonstration_algorithm=name)).demonstrations == name
    assert composite_of(HPTConfig(rollout_algorithm=name)).rollouts == name


def test_an_entry_that_reads_what_its_rows_lack_is_refused():
    message = "got hpt.demonstration_algorithm=rlsd, which reads teacher_log_prob; these rows have only entropy, "
    with pytest.raises(ConfigError, match=message):
        composite_of(HPTConfig(demonstration_algorithm="rlsd"))
    assert composite_of(HPTConfig(rollout_algorithm="rlsd")).rollouts == "rlsd"


@pytest.mark.parametrize("name", ["ppo", "sft"])
def test_an_entry_whose_advantage_is_not_a_matter_of_scores_is_refused(name):
    with pytest.raises(ConfigError, match=r"an entry whose advantage follows"):
        composite_of(HPTConfig(rollout_algorithm=name))


def test_settings_reach_the_entries_that_take_them():
    settings = HPTConfig(rollout_algorithm="gspo", clip_ratio=(0.1, 0.3), shaping=0.5)
    composite = composite_of(settings)
    assert composite.rollout_params == {"clip_ratio": (0.1, 0.3)}
    assert composite.demonstration_params == {"shaping": 0.5}
    assert composite_of(HPTConfig()) == Composite(demonstration_params={"shaping": 0.1})
    assert composite_of(HPTConfig(rollout_algorithm="reinforce")).rollout_params == {}


@pytest.mark.parametrize("entry", ["reinforce", "grpo", "dr_grpo", "cispo", "gspo"])
def test_on_policy_every_entry_pushes_by_its_advantage(entry):
    """Old equals new: the slope of each is -weight * A, whatever the denominator and the clip."""
    settings = HPTConfig(strategy="rl_only", rollout_algorithm=entry, clip_ratio=0.2)
    plan = plan_of(settings, question("a", 1, 0, 0))
    rows = rows_of(plan, [[0.5, 0.25]] * 3)
    assert settings.feedback(1 / 3) == RL
    assert slopes(hybrid_loss(rows, composite_of(settings)), rows) == approx(
        [[-row.rl_weight * row.advantage] * 2 for row in plan.rows]
    )
