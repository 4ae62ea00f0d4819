# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Entries of the published hybrids and their relatives, by hand. (bs, T) rows by response tokens."""

import math

import pytest
import torch

from hpt.upge import credit, token_coefficient, token_stabilisation, token_surrogate

F64 = torch.float64
INPUTS = ("entropy", "initial_log_prob", "teacher_log_prob", "mean_score")
LOG_2, LOG_4, LOG_10 = math.log(2), math.log(4), math.log(10)
# Every new entry, with parameters under which a different branch acts.
ENTRIES = [
    ("dft", {}),
    ("chord_phi", {}),
    ("trsft", {}),
    ("trsft", {"alpha": 0.0}),
    ("eaft", {}),
    ("iw_sft", {}),
    ("psft", {}),
    ("psft", {"clip_ratio": None}),
    ("rl_plus_offline", {}),
    ("rl_plus_offline", {"focal": 0.0, "omega": 1.0}),
    ("prefix_rft", {}),
    ("raft", {}),
    ("topr", {}),
    ("nft", {}),
    ("nft", {"eps": 0.2}),
    ("max_rl", {}),
    ("max_rl", {"clip_ratio": None}),
    ("self_distill", {}),
    ("rlsd", {}),
    ("rlsd", {"clip_ratio": None, "lam": 1.0, "eps": 1.0}),
]
READS = {"prefix_rft": "entropy", "eaft": "entropy", "iw_sft": "initial_log_prob", "nft": "mean_score"}
READS |= dict.fromkeys(("self_distill", "rlsd"), "teacher_log_prob")


def gradient(name: str, log_prob, *rest, **params) -> torch.Tensor:
    """Gradient of the surrogate's sum by log pi. (bs, T)"""
    leaf = log_prob.detach().clone().requires_grad_()
    return torch.autograd.grad(token_surrogate(name, leaf, *rest, **params).sum(), leaf)[0]


def one_token(name, log_prob, old, advantage, dtype=F64, **params) -> tuple[float, float, float]:
    """(surrogate, its derivative by log pi, coefficient) of a single token; inputs are numbers."""
    x, *rest = (torch.tensor([[value]], dtype=dtype) for value in (log_prob, old, advantage))
    params |= {key: torch.tensor([[params[key]]], dtype=dtype) for key in INPUTS if key in params}
    arguments = (x, *rest, torch.ones(1, 1))
    values = (f(name, *arguments, **params) for f in (token_surrogate, gradient, token_coefficient))
    surrogate, slope, coefficient = (value.item() for value in values)
    return surrogate, slope, coefficient


def batch(seed: int = 0):
    """log pi, log pi_old, advantages of (4, 6) tokens, and a ragged mask; every |log r| is below 20."""
    random = torch.Generator().manual_seed(seed)
    noise = [torch.randn(4, 6, generator=random, dtype=F64) for _ in range(3)]
    log_prob = -3 * noise[0].abs() - 1e-3
    mask = torch.arange(6) < torch.tensor([[6], [4], [1], [0]])
    return log_prob, (log_prob + noise[1]).clamp(max=-1e-3), noise[2], mask


# ---- one token ----


# Columns: pi, pi_old, A, parameters and inputs; -> surrogate, slope by log pi, coefficient = -slope / pi.
@pytest.mark.parametrize(
    ("name", "pi", "old", "advantage", "params", "expected"),
    [
        # -pi log pi, whatever A and pi_old
        ("dft", 0.25, 0.9, -3, {}, (LOG_4 / 4, -1 / 4, 1)),
        # pi (1 - pi) = 3/16
        ("chord_phi", 0.25, 0.9, -3, {}, (3 / 16 * LOG_4, -3 / 16, 0.75)),
        # pi / max(pi, alpha): 1 above alpha
        ("trsft", 0.25, 0.9, -3, {}, (-1, -1, 4)),
        ("trsft", 0.05, 0.9, -3, {}, (-0.5, -0.5, 10)),
        ("trsft", 0.05, 0.9, -3, {"alpha": 0.5}, (-0.1, -0.1, 2)),
        # (H / 3)^alpha
        ("eaft", 0.25, 0.9, -3, {"entropy": 1.5}, (LOG_4 / 2, -1 / 2, 2)),
        ("eaft", 0.25, 0.9, -3, {"entropy": 1.5, "alpha": 2.0}, (LOG_4 / 4, -1 / 4, 1)),
        ("eaft", 0.25, 0.9, -3, {"entropy": 6.0}, (2 * LOG_4, -2, 8)),
        ("eaft", 0.25, 0.9, -3, {"entropy": 0.0}, (0, 0, 0)),
        # s_0 = pi / pi_0 of a row of one: 2, 32 and its bound, 1/2
        ("iw_sft", 0.25, 0.9, -3, {"initial_log_prob": math.log(1 / 8)}, (2 * LOG_4, -2, 8)),
        ("iw_sft", 0.25, 0.9, -3, {"initial_log_prob": math.log(1 / 128)}, (16 * LOG_4, -16, 64)),
        ("iw_sft", 0.25, 0.9, -3, {"initial_log_prob": math.log(1 / 8), "max_weight": 1.5}, (1.5 * LOG_4, -1.5, 6)),
        ("iw_sft", 0.25, 0.9, -3, {"initial_log_prob": math.log(1 / 2)}, (LOG_4 / 2, -1 / 2, 2)),
        # r = 1.25, 1.3 and 1/2: clipped above 1.28 only, since A = 1
        ("psft", 0.25, 0.2, -3, {}, (-1.25, -1.25, 5)),
        ("psft", 0.26, 0.2, -3, {}, (-1.28, 0, 0)),
        ("psft", 0.26, 0.2, -3, {"clip_ratio": 0.4}, (-1.3, -1.3, 5)),
        ("psft", 0.10, 0.2, -3, {}, (-0.5, -0.5, 5)),
        # A (1 - pi)^focal pi / D; D = .75 pi_old + .25 = 5/8, (1 + pi_old) / 2 = 3/4, pi_old = 1/2
        ("rl_plus_offline", 0.75, 0.5, 2, {}, (-1.2, -1.2, 1.6)),
        ("rl_plus_offline", 0.75, 0.5, 2, {"focal": 1.0}, (-0.6, -0.6, 0.8)),
        ("rl_plus_offline", 0.75, 0.5, 2, {"focal": 0.0, "omega": 0.0}, (-2, -2, 8 / 3)),
        ("rl_plus_offline", 0.75, 0.5, -2, {"focal": 0.0, "omega": 1.0}, (3, 3, -4)),
        # -R log pi
        ("raft", 0.25, 0.9, 1, {}, (LOG_4, -1, 4)),
        ("raft", 0.25, 0.9, 0, {}, (0, 0, 0)),
        # -A log pi, times min(r, 1) where A <= 0: r = 1/4, 4, and 1/4 of a right token
        ("topr", 0.1, 0.4, -1, {}, (-LOG_10 / 4, 1 / 4, -2.5)),
        ("topr", 0.4, 0.1, -1, {}, (math.log(0.4), 1, -2.5)),
        ("topr", 0.1, 0.4, 1, {}, (LOG_10, -1, 10)),
        # right, c = 1/4 and r = 2: -(1 - c) log r; P is kept in [.02, .98]
        ("nft", 0.4, 0.2, 0.75, {"mean_score": 0.25}, (-0.75 * LOG_2, -0.75, 1.875)),
        ("nft", 0.4, 0.2, 0.75, {"mean_score": 0.005}, (-0.98 * LOG_2, -0.98, 2.45)),
        # wrong: q = (1 - c r) / (1 - c) is 7/6 at r = 1/2 and 2/3 at r = 2; -(1 - c) log max(q, eps), c r / max(q, eps)
        ("nft", 0.1, 0.2, -0.25, {"mean_score": 0.25}, (-0.75 * math.log(7 / 6), 3 / 28, -15 / 14)),
        ("nft", 0.4, 0.2, -0.25, {"mean_score": 0.25}, (0, 0.5, -1.25)),
        ("nft", 0.4, 0.2, -0.25, {"mean_score": 0.25, "eps": 0.2}, (0.75 * math.log(1.5), 0.75, -1.875)),
        # -min(A r, A clip(r))
        ("max_rl", 0.3, 0.2, 3, {}, (-3.6, 0, 0)),
        ("max_rl", 0.3, 0.2, 3, {"clip_ratio": None}, (-4.5, -4.5, 15)),
        # A = log 2 and r = 1.25; A = -log 2 and r = 2.5, truncated at 2
        ("self_distill", 0.25, 0.2, 9, {"teacher_log_prob": -LOG_2}, (1.25 * LOG_2 * LOG_4, -1.25 * LOG_2, 5 * LOG_2)),
        ("self_distill", 0.25, 0.1, 9, {"teacher_log_prob": -3 * LOG_2}, (-2 * LOG_2 * LOG_4, 2 * LOG_2, -8 * LOG_2)),
        # r = 1.1; pi_T / pi_old = 1.1 -> A x 1.05, 2 -> clipped at 1.2 -> A x 1.1; A < 0: 1/2 -> .8 -> A x .9
        ("rlsd", 0.22, 0.2, 2, {"teacher_log_prob": math.log(0.22)}, (-2.31, -2.31, 10.5)),
        ("rlsd", 0.22, 0.2, 2, {"teacher_log_prob": math.log(0.4)}, (-2.42, -2.42, 11)),
        ("rlsd", 0.22, 0.2, -2, {"teacher_log_prob": math.log(0.4)}, (1.98, 1.98, -9)),
        ("rlsd", 0.22, 0.2, 2, {"teacher_log_prob": math.log(0.1), "lam": 1.0, "eps": 0.4}, (-1.32, -1.32, 6)),
        ("rlsd", 0.3, 0.2, 2, {"teacher_log_prob": math.log(0.4)}, (-2.64, 0, 0)),  # r = 1.5 is clipped at 1.2
    ],
)
def test_a_token_by_hand(name, pi, old, advantage, params, expected):
    values = one_token(name, math.log(pi), math.log(old), advantage, **params)
    assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_iw_sft_weighs_a_row_by_a_geometric_mean():
    """Ratios 4 and 1 of two tokens, the third masked: sqrt(4) = 2 for both; then 25 and 36, whose 30 is bounded."""
    log_prob = torch.tensor([[0.4, 0.1, 0.9], [0.5, 0.36, 0.9]], dtype=F64).log()
    initial = torch.tensor([[0.1, 0.1, 1e-3], [0.02, 0.01, 1e-3]], dtype=F64).log()
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]])
    slopes = gradient("iw_sft", log_prob, log_prob, log_prob, mask, initial_log_prob=initial)
    assert slopes.tolist() == [pytest.approx([-2, -2, 0]), pytest.approx([-16, -16, 0])]


def test_stabilisation_of_the_new_entries():
    """iw-SFT's quotient min(s_0, c) / s_0, PSFT's clip above 1.28, and NFT's stop of wrong tokens beyond e^20."""
    old = torch.full((1, 3), -30.0, dtype=F64)
    log_prob, ones, mask = (
        old + torch.tensor([[0.2, 0.3, 21.0]], dtype=F64),
        torch.ones(1, 3),
        torch.tensor([[1, 1, 1]]),
    )
    assert token_stabilisation("psft", log_prob, old, -ones, mask).tolist() == [[1, 0, 0]]
    scores = torch.full((1, 3), 0.5)
    assert token_stabilisation("nft", log_prob, old, -ones, mask, mean_score=scores).tolist() == [[1, 1, 0]]
    assert token_stabilisation("nft", log_prob, old, ones, mask, mean_score=scores).tolist() == [[1, 1, 1]]
    initial = log_prob - math.log(32)
    values = token_stabilisation("iw_sft", log_prob, old, ones, mask, initial_log_prob=initial)
    assert values.tolist()[0] == pytest.approx([0.5] * 3)


# ---- extremes ----


@pytest.mark.parametrize(("name", "params"), ENTRIES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize(("log_prob", "other"), [(-300.0, -300.0), (-1.0, -301.0), (-301.0, -1.0), (0.0, -300.0)])
def test_values_and_slopes_are_finite_at_the_extremes(name, params, dtype, log_prob, other):
    """Probabilities of e^-300 and ratios of e^+-300, for a right, a wrong and an idle token."""
    scores = (0.0, 0.5, 1.0) if READS.get(name) == "mean_score" else (other,)
    for advantage in (1.0, -1.0, 0.0):
        for value in scores:
            inputs = {READS[name]: abs(value) if READS[name] == "entropy" else value} if name in READS else {}
            surrogate, slope, _ = one_token(name, log_prob, other, advantage, dtype, **params, **inputs)
            assert math.isfinite(surrogate) and math.isfinite(slope)
            if advantage == 0 and name in ("rl_plus_offline", "prefix_rft", "raft", "topr", "nft", "max_rl", "rlsd"):
                assert (surrogate, slope) == (0, 0)


def test_nfts_value_keeps_its_digits_beside_a_large_slope():
    """r = e^19 and c = 1/2: the value is -log eps / 2, eleven orders of magnitude below the slope r / (2 eps)."""
    surrogate, slope, _ = one_token("nft", -1.0, -20.0, -0.5, torch.float32, mean_score=0.5, eps=0.2)
    assert surrogate == pytest.approx(-math.log(0.2) / 2, rel=1e-6)
    assert slope == pytest.approx(math.exp(19) / 0.4, rel=1e-5)


# ---- where two methods agree ----


@pytest.mark.parametrize(
    ("name", "params", "reading", "other", "others"),
    [
        ("trsft", {"alpha": 0.0}, {}, "sft", {}),
        ("trsft", {"alpha": 1.0}, {}, "dft", {}),
        ("eaft", {"alpha": 0.0}, {"entropy": "advantages"}, "sft", {}),
        ("iw_sft", {}, {"initial_log_prob": "log_prob"}, "sft", {}),
        ("rl_plus_offline", {"focal": 0.0, "omega": 1.0}, {}, "dr_grpo", {"clip_ratio": None}),
        ("raft", {}, {}, "reinforce", {}),
        ("max_rl", {}, {}, "dr_grpo", {}),
        ("rlsd", {"lam": 0.0}, {"teacher_log_prob": "old_log_prob"}, "grpo", {}),
        ("rlsd", {"lam": 0.0}, {"teacher_log_prob": "advantages"}, "grpo", {}),
        ("rlsd", {"lam": 1.0}, {"teacher_log_prob": "old_log_prob"}, "grpo", {}),
    ],
)
def test_two_entries_have_one_gradient(name, params, reading, other, others):
    inputs = batch()
    given = dict(zip(("log_prob", "old_log_prob", "advantages"), inputs, strict=False))
    params = params | {key: given[source] for key, source in reading.items()}
    torch.testing.assert_close(gradient(name, *inputs, **params), gradient(other, *inputs, **others))
    assert gradient(name, *inputs, **params).abs().max() > 0.1


def test_with_an_advantage_of_1_dft_is_srfts_offline_term_and_psft_is_dr_grpo():
    log_prob, old, advantages, mask = batch()
    plus = (log_prob, old, torch.ones_like(advantages), mask)
    expected = gradient("srft_offline", *plus)
    torch.testing.assert_close(gradient("dft", log_prob, old, advantages, mask), expected)
    for clip_ratio in (None, 0.2):
        own = gradient("psft", log_prob, old, advantages, mask, clip_ratio=clip_ratio)
        torch.testing.assert_close(own, gradient("dr_grpo", *plus, clip_ratio=clip_ratio))


def test_on_policy_topr_is_reinforce_and_self_distillation_from_oneself_is_nothing():
    log_prob, _, advantages, mask = batch()
    inputs = (log_prob, log_prob, advantages, mask)
    torch.testing.assert_close(gradient("topr", *inputs), gradient("reinforce", *inputs))
    assert (gradient("self_distill", *inputs, teacher_log_prob=log_prob) == 0).all()
    off_policy = (log_prob, *batch()[1:])
    assert (gradient("self_distill", *off_policy, teacher_log_prob=log_prob) == 0).all()


@pytest.mark.parametrize("right", [1, 3, 7])
def test_on_policy_nft_is_dr_grpo(right):
    """Eight rollouts of a question: at r = 1 both slopes are -(R - P)."""
    log_prob = -3 * torch.rand(8, 5, generator=torch.Generator().manual_seed(right), dtype=F64)
    scores = torch.tensor([1.0] * right + [0.0] * (8 - right), dtype=F64)
    inputs = (log_prob, log_prob, credit.centred(scores).unsqueeze(-1).expand(8, 5), torch.ones(8, 5))
    own = gradient("nft", *inputs, mean_score=scores.mean().expand(8))
    torch.testing.assert_close(own, gradient("dr_grpo", *inputs, clip_ratio=None))
    torch.testing.assert_close(own, -(scores - right / 8).unsqueeze(-1).expand(8, 5))


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_unanimous_group_adds_nothing_to_nft(score):
    log_prob, old, _, mask = batch()
    advantages = credit.centred(torch.full((4,), score, dtype=F64)).unsqueeze(-1).expand(4, 6)
    inputs, share = (log_prob, old, advantages, mask), torch.full((4,), score)
    assert (token_surrogate("nft", *inputs, mean_score=share) == 0).all()
    assert (gradient("nft", *inputs, mean_score=share) == 0).all()


# ---- arguments ----


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient, token_stabilisation])
@pytest.mark.parametrize(("name", "missing"), READS.items())
def test_a_missing_input_is_named(function, name, missing):
    message = f"Algorithm '{name}' reads {missing}, which is missing; expected {missing}=(bs, T)"
    for params in ({}, {missing: None}):
        with pytest.raises(ValueError) as error:
            function(name, *batch(), **params)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "given", "known"),
    [
        ("sft", "entropy", "none"),
        ("grpo", "mean_score", "clip_ratio, clip_ratio_c"),
        ("eaft", "mean_score", "alpha, entropy"),
        ("rlsd", "initial_log_prob", "clip_ratio, clip_ratio_c, eps, lam, teacher_log_prob"),
    ],
)
def test_an_input_that_the_entry_does_not_read_is_refused(name, given, known):
    with pytest.raises(ValueError) as error:
        token_surrogate(name, *batch(), **{given: batch()[0]})
    assert str(error.value) == f"Algorithm '{name}' takes no parameter '{given}'. Available: {known}."


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("shape", [(3,), (4, 5), (1, 6), (4, 6, 1)], ids=str)
def test_an_input_of_another_shape_is_refused(name, shape):
    with pytest.raises(ValueError) as error:
        token_surrogate(name, *batch(), **{READS[name]: torch.zeros(shape)})
    assert f"{READS[name]} {shape}" in str(error.value)
    assert "expected one shape (bs, T)" in str(error.value)


@pytest.mark.parametrize("name", sorted(set(READS) - {"nft"}))
@pytest.mark.parametrize("shape", [(4,), (4, 1)], ids=str)
def test_only_the_mean_score_may_be_one_number_per_row(name, shape):
    with pytest.raises(ValueError, match="expected one shape"):
        token_surrogate(name, *batch(), **{READS[name]: torch.zeros(shape)})
    scores = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=F64)
    expected = token_surrogate("nft", *batch(), mean_score=scores.unsqueeze(-1).expand(4, 6))
    assert torch.equal(token_surrogate("nft", *batch(), mean_score=scores.reshape(shape)), expected)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("function", [token_surrogate, token_coefficient])
@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        *(("trsft", {"alpha": value}, "a number in [0, 1]") for value in (-0.1, 1.1, math.nan, "0.1", None)),
        ("eaft", {"alpha": -0.5}, "a number >= 0"),
        ("iw_sft", {"max_weight": -1.0}, "a number >= 0"),
        ("rl_plus_offline", {"focal": -0.5}, "a number >= 0"),
        *(("rl_plus_offline", {"omega": value}, "a number in [0, 1]") for value in (-0.1, 1.1)),
        *(("nft", {"eps": value}, "a finite number > 0") for value in (0.0, -1.0, math.inf, math.nan)),
        *(("self_distill", {"max_ratio": value}, "a finite number > 0") for value in (0.0, math.inf)),
        *(("rlsd", {"lam": value}, "a number in [0, 1]") for value in (-0.1, 1.1, math.nan)),
        *(("rlsd", {"eps": value}, "a number in [0, 1]") for value in (-0.1, 1.1)),
    ],
)
def test_a_parameter_out_of_range_is_refused(function, name, params, expected):
    ((key, value),) = params.items()
    inputs = {READS[name]: batch()[0]} if name in READS else {}
    with pytest.raises(ValueError) as error:
        function(name, *batch(), **params, **inputs)
    assert str(error.value) == f"got {key}={value!r}; expected {expected}"


# ---- credits ----


@pytest.mark.parametrize(
    ("scores", "rewards", "relative"),
    [
        ([1, 0, 0, 1], [1, 0, 0, 1], [1, -1, -1, 1]),
        ([1, 0, 0, 0], [1, 0, 0, 0], [3, -1, -1, -1]),
        ([0.5, 0.25], [0.5, 0.25], [1 / 3, -1 / 3]),
        ([1, 1, 1], [1, 1, 1], [0, 0, 0]),
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
        # Alone, a row keeps its score as its advantage, and that is over the mean, the score itself.
        ([1], [1], [1]),
        ([0.5], [0.5], [1]),
        ([0], [0], [0]),
    ],
)
def test_credits_by_hand(scores, rewards, relative):
    given = torch.tensor(scores, dtype=F64)
    assert credit.rewards(given).tolist() == rewards
    assert credit.relative(given).tolist() == pytest.approx(relative)


# ---- where a public code departs from its paper ----


def test_toprs_paper_tapers_by_the_sequence():
    """Wrong tokens with ratios 2 and 1/8: the code's slopes are min(r, 1); the paper's are min(2 x 1/8, 1) for both."""
    log_prob = torch.tensor([[0.4, 0.1]], dtype=F64).log()
    old = torch.tensor([[0.2, 0.8]], dtype=F64).log()
    mask = torch.ones(1, 2)
    by_token = gradient("topr", log_prob, old, -mask, mask)
    by_sequence = min((log_prob - old).sum().exp().item(), 1.0)
    assert by_token.tolist()[0] == pytest.approx([1, 1 / 8])
    assert by_sequence == pytest.approx(1 / 4)


def test_chords_code_weighs_micro_batches_by_rows():
    """Demonstrations of 1 and 3 tokens of probability 1/2, a micro-batch each: pi (1 - pi) = 1/4.

    The paper's mean over all tokens gives each the slope -1/16. A token mean per micro-batch, weighted by its share
    of rows, gives the short one's token -1/8 and the long one's -1/24 each: twice and two thirds of it.
    """
    log_prob = torch.full((2, 3), -LOG_2, dtype=F64)
    mask = torch.tensor([[1, 0, 0], [1, 1, 1]])
    slopes = gradient("chord_phi", log_prob, log_prob, log_prob, mask)
    pooled = slopes / mask.sum()
    by_micro_batch = slopes / mask.sum(-1, keepdim=True) / len(mask)
    assert pooled.tolist() == [pytest.approx([-1 / 16, 0, 0]), pytest.approx([-1 / 16] * 3)]
    assert by_micro_batch.tolist() == [pytest.approx([-1 / 8, 0, 0]), pytest.approx([-1 / 24] * 3)]


def test_eafts_weight_exceeds_1_with_the_entropy_of_the_whole_vocabulary():
    """For a uniform policy: log 20 / 3 = .9986 in EAFT's code, which takes 20 tokens; log 151,936 / 3 = 3.98 here."""
    for tokens, weight in ((20, 0.9986), (151_936, 3.9771)):
        _, slope, _ = one_token("eaft", -1.0, 0.0, 1.0, entropy=math.log(tokens))
        assert -slope == pytest.approx(weight, abs=1e-4)
