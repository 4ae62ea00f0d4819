# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Surrogates and coefficients per token. (bs, T) rows by response tokens, V the vocabulary."""

import math

import pytest
import torch

from hpt.upge import ALGORITHMS, token_coefficient, token_surrogate
from hpt.upge.surrogate import MAX_LOG_RATIO, probability_ratio

F64 = torch.float64
BS, T, V = 5, 7, 11
# Every way to call every entry.
CASES = [
    ("sft", {}),
    ("dr_grpo", {}),
    ("dr_grpo", {"clip_ratio": None}),
    ("dr_grpo", {"clip_ratio": 0.2}),
    ("dr_grpo", {"clip_ratio": (0.1, 0.4)}),
]


class Sample:
    """A random policy over V tokens, another old one, and sampled tokens with a ragged mask."""

    def __init__(self, seed: int, spread: float = 0.6):
        random = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(*shape, generator=random, dtype=F64)

        self.logits = normal(BS, T, V).requires_grad_()
        old_logits = self.logits.detach() + spread * normal(BS, T, V)
        self.tokens = torch.randint(0, V, (BS, T, 1), generator=random)
        self.log_prob = self.logits.log_softmax(-1).gather(-1, self.tokens).squeeze(-1)
        self.old_log_prob = old_logits.log_softmax(-1).gather(-1, self.tokens).squeeze(-1)
        self.advantages = normal(BS, T)
        lengths = torch.tensor([T, 3, 1, 0, 5])
        self.mask = torch.arange(T) < lengths.unsqueeze(-1)

    @property
    def inputs(self):
        return self.log_prob, self.old_log_prob, self.advantages, self.mask


def one_token(name, log_prob, old_log_prob, advantage, **params) -> tuple[float, float, float]:
    """(surrogate, its derivative by log pi, coefficient) of a single token."""
    x = torch.tensor([[log_prob]], dtype=F64, requires_grad=True)
    rest = (torch.tensor([[old_log_prob]], dtype=F64), torch.tensor([[advantage]], dtype=F64))
    mask = torch.ones(1, 1)
    surrogate = token_surrogate(name, x, *rest, mask, **params)
    (gradient,) = torch.autograd.grad(surrogate.sum(), x)
    coefficient = token_coefficient(name, x, *rest, mask, **params)
    return surrogate.item(), gradient.item(), coefficient.item()


def test_sft_by_hand():
    """pi = 1/4: -log pi = log 4, the coefficient is 1/pi = 4; advantage and old policy have no say."""
    values = one_token("sft", math.log(0.25), math.log(0.9), -3.0)
    assert values == pytest.approx((math.log(4), -1.0, 4.0))


# ratio = pi / pi_old; pi_old = 0.2 throughout, so A / pi_old = 5 A.
@pytest.mark.parametrize(
    ("ratio", "advantage", "clip_ratio", "surrogate", "gradient", "coefficient"),
    [
        (1.5, 1.0, None, -1.5, -1.5, 5.0),
        (0.5, -2.0, None, 1.0, 1.0, -10.0),
        (1.1, 1.0, 0.2, -1.1, -1.1, 5.0),
        (1.5, 1.0, 0.2, -1.2, 0.0, 0.0),
        (1.5, -1.0, 0.2, 1.5, 1.5, -5.0),
        (0.5, -1.0, 0.2, 0.8, 0.0, 0.0),
        (0.5, 1.0, 0.2, -0.5, -0.5, 5.0),
        (0.85, -1.0, (0.1, 0.4), 0.9, 0.0, 0.0),
        (0.85, -1.0, (0.3, 0.4), 0.85, 0.85, -5.0),
        (1.35, 1.0, (0.1, 0.4), -1.35, -1.35, 5.0),
        (1.45, 1.0, (0.1, 0.4), -1.4, 0.0, 0.0),
        (1.5, 0.0, 0.2, 0.0, 0.0, 0.0),
    ],
)
def test_dr_grpo_by_hand(ratio, advantage, clip_ratio, surrogate, gradient, coefficient):
    old = math.log(0.2)
    values = one_token("dr_grpo", old + math.log(ratio), old, advantage, clip_ratio=clip_ratio)
    assert values == pytest.approx((surrogate, gradient, coefficient), abs=1e-12)


def test_dr_grpo_clips_at_0_2_unless_told_otherwise():
    old = math.log(0.2)
    by_default = one_token("dr_grpo", old + math.log(1.5), old, 1.0)
    assert by_default == one_token("dr_grpo", old + math.log(1.5), old, 1.0, clip_ratio=0.2)
    assert by_default[0] == pytest.approx(-1.2)


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_minus_coefficient_times_the_gradient_of_pi(name, params, seed):
    sample = Sample(seed)
    surrogate = token_surrogate(name, *sample.inputs, **params)
    (gradient,) = torch.autograd.grad(surrogate.sum(), sample.logits, retain_graph=True)
    coefficient = token_coefficient(name, *sample.inputs, **params)
    pi = sample.log_prob.exp()
    (expected,) = torch.autograd.grad((coefficient * pi).sum(), sample.logits)
    torch.testing.assert_close(gradient, -expected, rtol=0, atol=1e-9)
    assert gradient.abs().max() > 0.1
    assert not coefficient.requires_grad


def test_the_clip_is_active_in_the_samples_above():
    sample = Sample(0)
    free = token_surrogate("dr_grpo", *sample.inputs, clip_ratio=None)
    clipped = token_surrogate("dr_grpo", *sample.inputs, clip_ratio=0.2)
    differ = (free != clipped)[sample.mask]
    assert differ.any() and not differ.all()


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
def test_every_entry_is_covered_and_zero_outside_the_mask(name, params):
    assert {case for case, _ in CASES} == set(ALGORITHMS)
    sample = Sample(1)
    for function in (token_surrogate, token_coefficient):
        values = function(name, *sample.inputs, **params)
        assert values.shape == (BS, T)
        assert (values[~sample.mask] == 0).all()
        assert (values[sample.mask] != 0).any()


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("places", [(0, 1, 2), (0,), (1,), (2,)])
def test_garbage_outside_the_mask_reaches_neither_value_nor_gradient(name, params, garbage, places):
    """Each input alone, too: a NaN in one of them can hide what another would do."""
    sample = Sample(2)
    clean = sample.log_prob.detach().requires_grad_()
    expected = token_surrogate(
        name, clean, sample.old_log_prob, sample.advantages, sample.mask, **params
    )
    expected.sum().backward()

    dirty = [x.detach().clone() for x in (clean, sample.old_log_prob, sample.advantages)]
    for place in places:
        dirty[place][~sample.mask] = garbage
    dirty[0].requires_grad_()
    values = token_surrogate(name, *dirty, sample.mask, **params)
    values.sum().backward()
    assert torch.equal(values, expected)
    assert torch.equal(dirty[0].grad, clean.grad)
    assert torch.equal(
        token_coefficient(name, *dirty, sample.mask, **params),
        token_coefficient(name, *sample.inputs, **params),
    )


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float32])
def test_the_mask_may_be_of_any_type(kind):
    sample = Sample(3)
    *inputs, mask = sample.inputs
    assert torch.equal(
        token_surrogate("sft", *inputs, mask.to(kind)), token_surrogate("sft", *inputs, mask)
    )


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("log_prob", [-50.0, -1e-3])
@pytest.mark.parametrize("old_log_prob", [-50.0, -25.0, -1e-3])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_improbable_tokens_and_large_ratios_stay_finite(
    name, params, dtype, log_prob, old_log_prob, advantage
):
    x = torch.full((1, 1), log_prob, dtype=dtype, requires_grad=True)
    inputs = (
        x,
        torch.full((1, 1), old_log_prob, dtype=dtype),
        torch.full((1, 1), advantage, dtype=dtype),
        torch.ones(1, 1, dtype=torch.bool),
    )
    surrogate = token_surrogate(name, *inputs, **params)
    surrogate.sum().backward()
    assert surrogate.dtype == dtype
    for value in (surrogate, x.grad, token_coefficient(name, *inputs, **params)):
        assert torch.isfinite(value).all()


def test_an_improbable_demonstration_token_keeps_its_full_gradient():
    """-log pi has slope -1 in log pi, however small pi is; pi itself would have vanished."""
    assert one_token("sft", -200.0, 0.0, 1.0)[:2] == (200.0, -1.0)


def test_the_ratio_is_clamped_in_log_space():
    log_prob = torch.tensor([-1.0, 5.0, 100.0, -100.0], dtype=F64)
    ratio = probability_ratio(log_prob, torch.zeros(4, dtype=F64))
    expected = [math.exp(-1), math.exp(5), math.exp(MAX_LOG_RATIO), math.exp(-MAX_LOG_RATIO)]
    assert ratio.tolist() == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient])
def test_an_unknown_algorithm_lists_the_known_ones(function):
    sample = Sample(0)
    options = ", ".join(sorted(ALGORITHMS))
    with pytest.raises(ValueError) as error:
        function("dr_gpro", *sample.inputs)
    assert str(error.value) == f"Unknown algorithm 'dr_gpro'. Available: {options}."
