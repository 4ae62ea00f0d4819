# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Surrogates and coefficients per token. (bs, T) rows by response tokens, V the vocabulary."""

import itertools
import math

import pytest
import torch

from hpt.method.proof.check import Batch, random_inputs
from hpt.upge import ALGORITHMS, token_coefficient, token_stabilisation, token_surrogate

F64 = torch.float64
BS, T, V = 5, 7, 11
GARBAGE = (math.nan, math.inf, -math.inf, 1e30)
DUAL_CLIPPED = ["ppo", "grpo", "dr_grpo", "max_rl"]
CLIPPED = [*DUAL_CLIPPED, "gspo", "cispo", "psft", "rlsd"]
PLAIN = ["sft", "reinforce", "luffy_offline", "srft_offline", "dft", "chord_phi", "raft", "topr"]
# What differs from a default in every entry of the hybrids.
CHANGED = [
    ("trsft", {"alpha": 0.0}),
    ("trsft", {"alpha": 1.0}),
    ("eaft", {"alpha": 0.5}),
    ("iw_sft", {"max_weight": 1.5}),
    ("rl_plus_offline", {"focal": 0.0, "omega": 1.0}),
    ("prefix_rft", {"low_entropy_share": 0.4}),
    ("rl_plus_offline", {"focal": 2.0, "omega": 0.0}),
    ("nft", {"eps": 0.2}),
    ("self_distill", {"max_ratio": 1.1}),
    ("rlsd", {"lam": 1.0, "eps": 0.5}),
]
# Every way to call every entry.
CASES = [
    *((name, {}) for name in (*PLAIN, *CLIPPED, "trsft", "eaft", "iw_sft", "rl_plus_offline", "nft", "self_distill")),
    *((name, {"clip_ratio": None}) for name in CLIPPED),
    *((name, {"clip_ratio": (0.1, 0.4)}) for name in CLIPPED),
    *((name, {"clip_ratio_c": 1.5}) for name in DUAL_CLIPPED),
    ("luffy_offline", {"shaping": 0.5}),
    *CHANGED,
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

    def read_by(self, name) -> dict[str, torch.Tensor]:
        """What the entry reads beside ``inputs``."""
        return random_inputs(name, Batch(*self.inputs), 0)


def one_token(name, log_prob, old_log_prob, advantage, **params) -> tuple[float, float, float]:
    """(surrogate, its derivative by log pi, coefficient) of a single token."""
    x = torch.tensor([[log_prob]], dtype=F64, requires_grad=True)
    rest = (torch.tensor([[old_log_prob]], dtype=F64), torch.tensor([[advantage]], dtype=F64))
    mask = torch.ones(1, 1)
    surrogate = token_surrogate(name, x, *rest, mask, **params)
    (gradient,) = torch.autograd.grad(surrogate.sum(), x)
    coefficient = token_coefficient(name, x, *rest, mask, **params)
    return surrogate.item(), gradient.item(), coefficient.item()


def others_of(name, log_prob, dtype) -> dict[str, torch.Tensor]:
    """What the entry reads beside the arguments, for one token; other policies have this log-probability."""
    every = {"entropy": 1.0, "initial_log_prob": log_prob, "teacher_log_prob": log_prob, "mean_score": 0.5}
    return {key: torch.full((1, 1), x, dtype=dtype) for key, x in every.items() if key in ALGORITHMS[name].inputs}


def test_sft_by_hand():
    """pi = 1/4: -log pi = log 4, the coefficient is 1/pi = 4; advantage and old policy do not enter."""
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


def test_dr_grpo_clips_at_0_2_by_default():
    old = math.log(0.2)
    by_default = one_token("dr_grpo", old + math.log(1.5), old, 1.0)
    assert by_default == one_token("dr_grpo", old + math.log(1.5), old, 1.0, clip_ratio=0.2)
    assert by_default[0] == pytest.approx(-1.2)


# ratio = pi / pi_old; pi_old = 0.2 throughout.
@pytest.mark.parametrize(
    ("ratio", "advantage", "params", "surrogate", "gradient", "coefficient"),
    [
        # A < 0 and ratio > c: the loss stays at -A c = 2 * 3, without gradient.
        (4.0, -2.0, {"clip_ratio_c": 3.0}, 6.0, 0.0, 0.0),
        # The same ratio without it, and below it: -A r = 2 * 4 and 2 * 2.5; -2 / 0.2 = -10.
        (4.0, -2.0, {}, 8.0, 8.0, -10.0),
        (2.5, -2.0, {"clip_ratio_c": 3.0}, 5.0, 5.0, -10.0),
        # It is not for A > 0, there the upper clip acts: -1.2.
        (4.0, 1.0, {"clip_ratio_c": 3.0}, -1.2, 0.0, 0.0),
        (4.0, 1.0, {"clip_ratio": None, "clip_ratio_c": 3.0}, -4.0, -4.0, 5.0),
        (4.0, -1.0, {"clip_ratio": None, "clip_ratio_c": 3.0}, 3.0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("name", DUAL_CLIPPED)
def test_dual_clip_by_hand(name, ratio, advantage, params, surrogate, gradient, coefficient):
    old = math.log(0.2)
    values = one_token(name, old + math.log(ratio), old, advantage, **params)
    assert values == pytest.approx((surrogate, gradient, coefficient), abs=1e-12)


def test_reinforce_by_hand():
    """pi = 1/4, A = -2: -A log pi = -2 log 4, slope -A = 2, A / pi = -8; the old policy does not enter."""
    values = one_token("reinforce", math.log(0.25), math.log(0.9), -2.0)
    assert values == pytest.approx((-2 * math.log(4), 2.0, -8.0))


# pi = 0.5 throughout, so log pi = -log 2.
@pytest.mark.parametrize(
    ("ratio", "params", "weight"),
    [
        (1.1, {}, 1.1),
        (2.0, {}, 1.2),
        (0.5, {}, 0.8),
        (0.5, {"clip_ratio": (1.0, 0.2)}, 0.5),  # the paper's: clipped above only
        (0.5, {"clip_ratio": (5.0, 0.2)}, 0.5),
        (2.0, {"clip_ratio": None}, 2.0),
    ],
)
def test_cispo_by_hand(ratio, params, weight):
    """-A w log pi = 3 w log 2 for A = 3; slope -3 w; A (w / r) / pi_old = A w / pi = 6 w."""
    values = one_token("cispo", math.log(0.5), math.log(0.5 / ratio), 3.0, **params)
    expected = (3 * weight * math.log(2), -3 * weight, 6 * weight)
    assert values == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["luffy_offline", "srft_offline"])
def test_the_offline_entries_by_hand(name):
    """pi = 0.4, A = 2; the old policy does not enter.

    LUFFY: f = 0.4 / (0.4 + 0.1) = 0.8, f' = 0.1 / 0.5^2 = 0.4: value -1.6, coefficient 0.8, slope
    by log pi -2 * 0.4 * 0.4 = -0.32. SRFT: value -0.8, coefficient 2, slope -0.8.
    """
    expected = {"luffy_offline": (-1.6, -0.32, 0.8), "srft_offline": (-0.8, -0.8, 2.0)}[name]
    assert one_token(name, math.log(0.4), math.log(0.9), 2.0) == pytest.approx(expected)
    if name == "luffy_offline":  # shaping 0.4: f = 1/2, f' = 0.4 / 0.8^2 = 0.625
        values = one_token(name, math.log(0.4), 0.0, 2.0, shaping=0.4)
        assert values == pytest.approx((-1.0, -2 * 0.625 * 0.4, 1.25))


@pytest.mark.parametrize(
    ("advantage", "params", "surrogate", "gradient"),
    [
        # s = (1/2 * 1/2)^(1/2) of the two response tokens' ratios 2 and 1/8; the third is masked.
        (1.0, {}, -0.5, -0.5),
        (-1.0, {}, 0.8, 0.0),
        (-1.0, {"clip_ratio": None}, 0.5, 0.5),
        (-1.0, {"clip_ratio": (0.6, 0.2)}, 0.5, 0.5),
    ],
)
def test_gspo_by_hand(advantage, params, surrogate, gradient):
    """One ratio for the row, each token with the whole slope s (GSPO-token)."""
    log_prob = torch.tensor([[0.4, 0.1, 0.9]], dtype=F64).log().requires_grad_()
    old = torch.tensor([[0.2, 0.8, 1e-3]], dtype=F64).log()
    inputs = (log_prob, old, torch.full((1, 3), advantage, dtype=F64), torch.tensor([[1, 1, 0]]))
    values = token_surrogate("gspo", *inputs, **params)
    values.sum().backward()
    assert values.tolist()[0] == pytest.approx([surrogate, surrogate, 0.0])
    assert log_prob.grad.tolist()[0] == pytest.approx([gradient, gradient, 0.0])
    # coefficient * pi = -slope
    coefficient = token_coefficient("gspo", *inputs, **params)
    assert coefficient.tolist()[0] == pytest.approx([-gradient / 0.4, -gradient / 0.1, 0.0])


@pytest.mark.parametrize("name", DUAL_CLIPPED)
@pytest.mark.parametrize(("log_ratio", "ratio"), [(21.0, math.exp(20)), (-21.0, math.exp(-20))])
def test_the_clamp_of_the_log_ratio_stops_the_gradient_and_the_coefficient(name, log_ratio, ratio):
    values = one_token(name, log_ratio - 30, -30.0, 2.0, clip_ratio=None)
    assert values == (pytest.approx(-2 * ratio), 0.0, 0.0)
    inside = one_token(name, log_ratio * 20 / 21 - 30, -30.0, 2.0, clip_ratio=None)
    assert inside[1] == pytest.approx(-2 * ratio)
    assert inside[2] == pytest.approx(2 * math.exp(30))


def test_the_clamp_of_the_sequence_ratio_is_verls():
    stopped = one_token("gspo", -1.0, -11.5, -1.0)
    assert stopped == (pytest.approx(math.exp(10)), 0.0, 0.0)
    # As the lower clip acts on A < 0 only, nothing bounds a small ratio here.
    assert one_token("gspo", -31.0, -1.0, 1.0)[1] == pytest.approx(-math.exp(-30))


def test_cispo_bounds_the_weight_and_keeps_the_gradient_beyond_the_clamp():
    for log_ratio, weight in ((25.0, math.exp(20)), (-25.0, math.exp(-20))):
        values = one_token("cispo", log_ratio - 30, -30.0, 2.0, clip_ratio=None)
        log_prob = log_ratio - 30
        assert values == pytest.approx(
            (-2 * weight * log_prob, -2 * weight, 2 * weight * math.exp(-log_prob)), rel=1e-12
        )


def test_stabilisation_is_0_where_clipped_1_where_not_and_cispos_quotient():
    ratio = torch.tensor([[1.1, 2.0, 0.5, 2.0]], dtype=F64)
    inputs = (ratio.log() - 3, torch.full((1, 4), -3.0, dtype=F64), torch.ones(1, 4, dtype=F64))
    mask = torch.tensor([[1, 1, 1, 0]])
    assert token_stabilisation("grpo", *inputs, mask).tolist() == [[1.0, 0.0, 1.0, 0.0]]
    assert token_stabilisation("sft", *inputs, mask).tolist() == [[1.0, 1.0, 1.0, 0.0]]
    quotient = token_stabilisation("cispo", *inputs, mask)
    assert quotient.tolist()[0] == pytest.approx([1.0, 1.2 / 2.0, 0.8 / 0.5, 0.0])


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_minus_coefficient_times_the_gradient_of_pi(name, params, seed):
    sample = Sample(seed)
    params = params | sample.read_by(name)
    surrogate = token_surrogate(name, *sample.inputs, **params)
    (gradient,) = torch.autograd.grad(surrogate.sum(), sample.logits, retain_graph=True)
    coefficient = token_coefficient(name, *sample.inputs, **params)
    pi = sample.log_prob.exp()
    (expected,) = torch.autograd.grad((coefficient * pi).sum(), sample.logits)
    torch.testing.assert_close(gradient, -expected, rtol=1e-9, atol=1e-12)
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
        values = function(name, *sample.inputs, **params, **sample.read_by(name))
        assert values.shape == (BS, T)
        assert (values[~sample.mask] == 0).all()
        assert (values[sample.mask] != 0).any()


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
def test_garbage_outside_the_mask_reaches_neither_value_nor_gradient(name, params):
    """Each input alone, too: a NaN in one of them can hide what another would do. 3: what the entry reads besides."""
    sample = Sample(2)
    clean = sample.log_prob.detach().requires_grad_()
    rest, others = (sample.old_log_prob, sample.advantages), sample.read_by(name)
    expected = token_surrogate(name, clean, *rest, sample.mask, **params, **others)
    expected.sum().backward()
    coefficient = token_coefficient(name, *sample.inputs, **params, **others)

    for garbage, places in itertools.product(GARBAGE, [(0, 1, 2, 3), (0,), (1,), (2,), (3,)]):
        dirty = [x.detach().clone() for x in (clean, *rest)]
        strange = {key: values.clone() for key, values in others.items()}
        for place in places:
            for values in strange.values() if place == 3 else [dirty[place]]:
                values[~sample.mask] = garbage
        dirty[0].requires_grad_()
        values = token_surrogate(name, *dirty, sample.mask, **params, **strange)
        values.sum().backward()
        assert torch.equal(values, expected), (garbage, places)
        assert torch.equal(dirty[0].grad, clean.grad), (garbage, places)
        found = token_coefficient(name, *dirty, sample.mask, **params, **strange)
        assert torch.equal(found, coefficient), (garbage, places)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float32])
def test_the_mask_may_be_of_any_type(kind):
    sample = Sample(3)
    *inputs, mask = sample.inputs
    assert torch.equal(token_surrogate("sft", *inputs, mask.to(kind)), token_surrogate("sft", *inputs, mask))


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_improbable_tokens_and_large_ratios_stay_finite(name, params, dtype):
    """Each row has one token: all combinations of both log-probabilities and the advantage's sign."""
    rows = itertools.product([-50.0, -1e-3], [-50.0, -25.0, -1e-3], [1.0, -1.0])
    log_prob, old_log_prob, advantage = torch.tensor(list(rows), dtype=dtype).T.unsqueeze(-1).contiguous()
    inputs = (log_prob.requires_grad_(), old_log_prob, advantage, torch.ones(12, 1, dtype=torch.bool))
    params = params | {key: each.expand(12, 1) for key, each in others_of(name, -20.0, dtype).items()}
    surrogate = token_surrogate(name, *inputs, **params)
    surrogate.sum().backward()
    assert surrogate.dtype == dtype
    for values in (surrogate, log_prob.grad, token_coefficient(name, *inputs, **params)):
        assert torch.isfinite(values).all(), values


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
@pytest.mark.parametrize(("log_prob", "old_log_prob"), [(-0.1, -300.0), (-300.0, -0.1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_ratio_beyond_float32_does_not_become_nan(name, params, log_prob, old_log_prob, dtype):
    """Rollout and training engines disagree now and then; such a token must not cost the step."""
    x = torch.full((1, 1), log_prob, dtype=dtype, requires_grad=True)
    ones = torch.ones(1, 1, dtype=dtype)
    rest = (torch.full((1, 1), old_log_prob, dtype=dtype), ones, ones)
    surrogate = token_surrogate(name, x, *rest, **params, **others_of(name, old_log_prob, dtype))
    surrogate.sum().backward()
    assert torch.isfinite(surrogate).all()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
def test_all_but_the_policy_are_constants(name, params):
    """Handing in log_prob itself as old_log_prob is the on-policy case, not one without gradient."""
    log_prob = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    constants = [torch.ones(1, 2, requires_grad=True) for _ in range(2)]
    mask, others = torch.ones(1, 2), others_of(name, -3.0, torch.float32)
    graph = {key: values.expand(1, 2) * constants[1] for key, values in others.items()}
    token_surrogate(name, log_prob, log_prob, constants[0], mask, **params, **graph).sum().backward()
    detached = log_prob.detach().requires_grad_()
    rest = (log_prob.detach(), torch.ones(1, 2), mask)
    token_surrogate(
        name, detached, *rest, **params, **{key: each.detach() for key, each in graph.items()}
    ).sum().backward()
    assert (log_prob.grad != 0).all()
    assert torch.equal(log_prob.grad, detached.grad)
    assert all(each.grad is None for each in constants)


@pytest.mark.parametrize(("name", "params"), CASES, ids=str)
def test_no_rows_give_a_sum_that_runs_backward(name, params):
    log_prob = torch.zeros(0, 3, requires_grad=True)
    inputs = (log_prob, torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3))
    params = params | {key: torch.zeros(0, 3) for key in others_of(name, 0.0, torch.float32)}
    token_surrogate(name, *inputs, **params).sum().backward()
    assert log_prob.grad.shape == (0, 3)
    assert token_coefficient(name, *inputs, **params).shape == (0, 3)


def test_bfloat16_is_computed_in_float32_and_returned_in_the_inputs_dtype():
    """bfloat16 has three digits: -50 + 0.2 is -49.75 there, and a clipped weight off by percents."""
    log_prob = torch.full((1, 1), -49.75, dtype=torch.bfloat16, requires_grad=True)
    rest = (torch.zeros(1, 1, dtype=torch.bfloat16), torch.ones(1, 1, dtype=torch.bfloat16))
    surrogate = token_surrogate("cispo", log_prob, *rest, torch.ones(1, 1))
    surrogate.sum().backward()
    assert surrogate.dtype == log_prob.grad.dtype == torch.bfloat16
    assert surrogate.item() == pytest.approx(0.8 * 49.75, rel=4e-3)
    assert log_prob.grad.item() == pytest.approx(-0.8, rel=4e-3)


def test_an_improbable_demonstration_token_keeps_its_full_gradient():
    """-log pi has slope -1 in log pi, however small pi is; pi itself would have vanished."""
    assert one_token("sft", -200.0, 0.0, 1.0)[:2] == (200.0, -1.0)


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient, token_stabilisation])
def test_an_unknown_algorithm_lists_the_known_ones(function):
    sample = Sample(0)
    options = ", ".join(sorted(ALGORITHMS))
    with pytest.raises(ValueError) as error:
        function("dr_gpro", *sample.inputs)
    assert str(error.value) == f"Unknown algorithm 'dr_gpro'. Available: {options}."


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient, token_stabilisation])
@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "sft",
            {"clip_ratio": 0.2},
            "Algorithm 'sft' takes no parameter 'clip_ratio'. Available: none.",
        ),
        (
            "ppo",
            {"clip_ration": 0.2},
            "Algorithm 'ppo' takes no parameter 'clip_ration'. Available: clip_ratio, clip_ratio_c.",
        ),
        (
            "gspo",
            {"clip_ratio_c": 3.0},
            "Algorithm 'gspo' takes no parameter 'clip_ratio_c'. Available: clip_ratio.",
        ),
        (
            "luffy_offline",
            {"clip_ratio": 3.0},
            "Algorithm 'luffy_offline' takes no parameter 'clip_ratio'. Available: shaping.",
        ),
    ],
)
def test_a_parameter_that_the_entry_does_not_take_is_refused(function, name, params, message):
    with pytest.raises(ValueError) as error:
        function(name, *Sample(0).inputs, **params)
    assert str(error.value) == message


@pytest.mark.parametrize("function", [token_surrogate, token_stabilisation])
@pytest.mark.parametrize("value", [-0.1, (0.1, -0.2), (0.1,), (0.1, 0.2, 0.3), math.nan, "0.2"])
@pytest.mark.parametrize("name", CLIPPED)
def test_a_clip_that_is_none_is_refused(function, name, value):
    sample = Sample(0)
    with pytest.raises(ValueError) as error:
        function(name, *sample.inputs, clip_ratio=value, **sample.read_by(name))
    assert str(error.value) == (
        f"got clip_ratio={value!r}; expected a number >= 0, a pair (low, high) of such numbers, or None for no clip"
    )


@pytest.mark.parametrize("value", [1.0, 0.5, -1.0, math.nan, "3"])
@pytest.mark.parametrize("name", DUAL_CLIPPED)
def test_a_dual_clip_within_the_clip_is_refused(name, value):
    with pytest.raises(ValueError, match=r"got clip_ratio_c=.*; expected a number > 1, or None"):
        token_surrogate(name, *Sample(0).inputs, clip_ratio_c=value)


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient])
@pytest.mark.parametrize("value", [0.0, -0.1, math.inf, math.nan, None])
def test_a_shaping_that_is_not_positive_is_refused(function, value):
    with pytest.raises(ValueError, match=r"got shaping=.*; expected a finite number > 0"):
        function("luffy_offline", *Sample(0).inputs, shaping=value)


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient, token_stabilisation])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("shape", [(BS, 1), (BS,), (BS, T + 1), (BS, T, 1)], ids=str)
def test_unequal_shapes_are_refused_rather_than_broadcast(function, place, shape):
    inputs = list(Sample(0).inputs)
    inputs[place] = torch.zeros(shape)
    with pytest.raises(ValueError) as error:
        function("grpo", *inputs)
    named = ("log_prob", "old_log_prob", "advantages", "response_mask")[place]
    assert f"{named} {shape}" in str(error.value)
    assert "expected one shape (bs, T)" in str(error.value)


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match=r"got log_prob \(3,\).*expected one shape \(bs, T\)"):
        token_surrogate("sft", *[torch.zeros(3)] * 4)
