# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of the published hybrids and their relatives, beside those of Table 1 (:mod:`hpt.method.estimator.parts`).

r = pi_theta / pi_old; s_0 = geometric mean of pi_theta / pi_0 over the row; H = entropy; P = mean score of the
question's rollouts; pi_T = a teacher. Parts are constants of the update, so a pi_theta in them has no gradient.
"""

import math
from numbers import Real

import torch

from hpt.method.estimator.parts import ClipRatio, Part, clipped_ratio, log_mask, part
from hpt.method.estimator.tokens import MAX_LOG_RATIO, Tokens

# PSFT's and DAPO's clip.
HIGHER_CLIP = (0.2, 0.28)
# EAFT's code divides by 3, its paper by ln 20: both for the entropy of the 20 likeliest tokens.
EAFT_ENTROPY = 3.0
# NFT keeps P away from 0 and 1.
NFT_SCORES = (0.02, 0.98)


def _number_in(name: str, value: float, low: float, high: float = math.inf) -> float:
    """Return ``value``.

    Raises:
        ValueError: no number in [low, high].
    """
    if not (isinstance(value, Real) and low <= value <= high):
        expected = f"a number >= {low:g}" if high == math.inf else f"a number in [{low:g}, {high:g}]"
        raise ValueError(f"got {name}={value!r}; expected {expected}")
    return float(value)


def _positive(name: str, value: float) -> float:
    if not (isinstance(value, Real) and 0 < value < math.inf):
        raise ValueError(f"got {name}={value!r}; expected a finite number > 0")
    return float(value)


def _log_of(value: float) -> float:
    """log, -inf at 0."""
    return math.log(value) if value > 0 else -math.inf


# ---- weights of demonstration tokens ----


@part("1 - pi_theta")
def doubt(tokens: Tokens) -> torch.Tensor:
    """CHORD-phi (arXiv 2508.11408): with pi_ref = 1 the weight of log pi_theta is pi_theta (1 - pi_theta)."""
    return -torch.expm1(tokens.log_prob)


@part("(H / 3)^alpha")
def entropy_weight(tokens: Tokens, alpha: float = 1.0) -> torch.Tensor:
    """EAFT (arXiv 2601.02151), with the entropy over the whole vocabulary: it may exceed 1, which EAFT's does not."""
    return (tokens.entropy / EAFT_ENTROPY).clamp(min=0).pow(_number_in("alpha", alpha, 0))


@part("max(pi_theta, alpha)")
def bounded_policy(tokens: Tokens, alpha: float = 0.1) -> torch.Tensor:
    """TrSFT (TRAPO, arXiv 2512.17636): SFT where pi_theta > alpha, and a slope of at most 1 / alpha by pi_theta."""
    return tokens.log_prob.detach().clamp(min=_log_of(_number_in("alpha", alpha, 0, 1)))


@part("pi_theta / s_0")
def initial_sequence_policy(tokens: Tokens) -> torch.Tensor:
    """iw-SFT (arXiv 2507.12856): a demonstration is weighted by how much likelier it has become."""
    return tokens.log_prob.detach() - tokens.log_initial_sequence_ratio


@part("min(s_0, max_weight) / s_0")
def bounded_initial_weight(tokens: Tokens, max_weight: float = 16.0) -> torch.Tensor:
    """iw-SFT's bound of the weight."""
    log_weight = tokens.log_initial_sequence_ratio
    return (_log_of(_number_in("max_weight", max_weight, 0)) - log_weight).clamp(max=0)


def _clipped_above(tokens: Tokens, clip_ratio: ClipRatio) -> tuple[torch.Tensor, torch.Tensor]:
    within = (-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return clipped_ratio(tokens.log_ratio, within, torch.ones_like(tokens.log_ratio), clip_ratio)


@part("mask of clip(r)")
def clip_above(tokens: Tokens, clip_ratio: ClipRatio = HIGHER_CLIP) -> torch.Tensor:
    """PSFT (arXiv 2508.17784): PPO's clip at A = 1, which stops what has become likelier than 1 + high."""
    return log_mask(_clipped_above(tokens, clip_ratio)[1], tokens.log_prob)


@part("clip(r)")
def clipped_above(tokens: Tokens, clip_ratio: ClipRatio = HIGHER_CLIP) -> torch.Tensor:
    clipped, passes = _clipped_above(tokens, clip_ratio)
    return clipped.masked_fill(passes, 0.0)


@part("((1 + omega) pi_old + 1 - omega) / 2")
def mixture_policy(tokens: Tokens, omega: float = 0.5) -> torch.Tensor:
    """RL-PLUS (arXiv 2508.00222): the mean of pi_old and of a guess at the demonstrator, omega pi_old + 1 - omega.

    At omega = 1 it is pi_old alone, and what bounds the ratio is MAX_LOG_RATIO.
    """
    omega = _number_in("omega", omega, 0, 1)
    old, one = tokens.old_log_prob, torch.zeros_like(tokens.old_log_prob)
    mixture = torch.logaddexp(old + math.log((1 + omega) / 2), one + _log_of((1 - omega) / 2))
    return torch.maximum(mixture, tokens.log_prob.detach() - MAX_LOG_RATIO)


def focused_advantage(text: str) -> Part:
    """A (1 - pi_theta)^focal: RL-PLUS looks at tokens that the policy finds unlikely."""

    @part(f"{text} (1 - pi_theta)^focal")
    def advantage(tokens: Tokens, focal: float = 0.5) -> torch.Tensor:
        return tokens.advantages * doubt(tokens).clamp(min=0).pow(_number_in("focal", focal, 0))

    return advantage


@part("1 if H is high in its row")
def uncertain(tokens: Tokens, low_entropy_share: float = 0.8) -> torch.Tensor:
    """Prefix-RFT (arXiv 2507.01679): tokens of the prefix with the least entropy do not count.

    The share is of each row's tokens; the public code takes it of a micro-batch, which depends on the packing.
    """
    share = _number_in("low_entropy_share", low_entropy_share, 0, 1)
    entropy = tokens.entropy.masked_fill(~tokens.mask, math.inf)
    rank = entropy.argsort(dim=-1, stable=True).argsort(dim=-1)  # 0: the least; outside the mask come last
    left_out = torch.floor(share * tokens.mask.sum(dim=-1, keepdim=True) + 1e-9)
    near = tokens.log_ratio.abs() <= MAX_LOG_RATIO
    return log_mask((rank >= left_out) & near, tokens.log_prob)


# ---- rollouts ----


@part("pi_theta if A > 0 else max(pi_theta, pi_old)")
def tapered_policy(tokens: Tokens) -> torch.Tensor:
    """TOPR (arXiv 2503.14286) per token: what is wrong and has become unlikely counts by r, the rest by 1.

    The paper's r is of the whole sequence; a public implementation takes the token's, as here.
    """
    log_prob = tokens.log_prob.detach()
    return torch.where(tokens.advantages > 0, log_prob, torch.maximum(log_prob, tokens.old_log_prob))


def _log_bounded_proxy(tokens: Tokens, eps: float) -> torch.Tensor:
    """log max((1 - P r) / (1 - P), eps), NFT's implicit policy of wrong answers. (bs, T)

    It is formed as 1 - P / (1 - P) (r - 1), which is exact at r = 1.
    """
    share = tokens.mean_score.clamp(*NFT_SCORES)
    excess = torch.expm1(tokens.log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO))
    log_proxy = torch.log1p((-share / (1 - share) * excess).clamp(min=-1))
    return log_proxy.clamp(min=math.log(_positive("eps", eps)))


@part("pi_theta if A > 0 else pi_old max(q, eps)")
def negative_aware_policy(tokens: Tokens, eps: float = 1.0) -> torch.Tensor:
    """NFT (arXiv 2505.18116): q = (1 - P r) / (1 - P) is how a policy of wrong answers compares with pi_old."""
    wrong = tokens.old_log_prob + _log_bounded_proxy(tokens, eps)
    return torch.where(tokens.advantages > 0, tokens.log_prob.detach(), wrong)


@part("[A > 0] - P")
def negative_aware_advantage(tokens: Tokens) -> torch.Tensor:
    """NFT's slope at r = 1 is Dr. GRPO's advantage. Rows of a unanimous group (A = 0) count nothing."""
    share = tokens.mean_score.clamp(*NFT_SCORES)
    return torch.where(tokens.advantages > 0, 1 - share, -share) * (tokens.advantages != 0)


@part("1 if A > 0 else mask of r in e^+-20")
def not_far_if_wrong(tokens: Tokens) -> torch.Tensor:
    """The slope of a wrong token grows with r; |log r| > MAX_LOG_RATIO is stopped, as PPO's is."""
    near = tokens.log_ratio.abs() <= MAX_LOG_RATIO
    return log_mask(near | (tokens.advantages > 0), tokens.log_prob)


@part("log r if A > 0 else -(1 - P) / P log max(q, eps)")
def negative_aware_value(tokens: Tokens, eps: float = 1.0) -> torch.Tensor:
    """The whole value of NFT's loss, over -A: its likelihood has none."""
    share = tokens.mean_score.clamp(*NFT_SCORES)
    wrong = -(1 - share) / share * _log_bounded_proxy(tokens, eps)
    return torch.where(tokens.advantages > 0, tokens.log_ratio, wrong)


@part("sg(w) log pi_theta")
def valueless_log_probability(tokens: Tokens, log_scale: torch.Tensor) -> torch.Tensor:
    """The slope of ``parts.log_probability`` and the value 0: w up to e^20 would drown a value that is added to it."""
    weight = torch.exp(tokens.log_prob.detach() + log_scale)
    return weight * (tokens.log_prob - tokens.log_prob.detach())


# ---- a teacher ----


@part("log pi_T - log pi_theta")
def teacher_advantage(tokens: Tokens) -> torch.Tensor:
    """On-policy distillation by sampled tokens: the slope of the reverse KL divergence, estimated at the token."""
    return tokens.teacher_log_prob - tokens.log_prob.detach()


@part("pi_theta / min(r, max_ratio)")
def truncated_policy(tokens: Tokens, max_ratio: float = 2.0) -> torch.Tensor:
    """A weight of r, truncated above (SDPO, arXiv 2601.20802)."""
    log_bound = _log_of(_positive("max_ratio", max_ratio))
    return tokens.log_prob.detach() - tokens.log_ratio.clamp(max=log_bound)


def teacher_weighted_advantage(text: str) -> Part:
    """A (1 - lam + lam clip(e^(sign(A) d), 1 - eps, 1 + eps)), d = log pi_T - log pi_old (RLSD, arXiv 2604.03128)."""

    @part(f"{text} x (1 - lam + lam clip(e^(+-d)))")
    def advantage(tokens: Tokens, lam: float = 0.5, eps: float = 0.2) -> torch.Tensor:
        lam, eps = _number_in("lam", lam, 0, 1), _number_in("eps", eps, 0, 1)
        difference = tokens.teacher_log_prob - tokens.old_log_prob
        trust = torch.exp((tokens.advantages.sign() * difference).clamp(max=MAX_LOG_RATIO)).clamp(1 - eps, 1 + eps)
        return tokens.advantages * (1 - lam + lam * trust)

    return advantage
