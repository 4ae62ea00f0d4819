# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The parts that algorithms choose from (arXiv 2509.04419, Section 3).

    grad_Uni = 1_stable * (1 / pi_ref) * A * grad pi_theta      (per token)

1_stable and pi_ref are given as logarithms, so that their product with pi_theta is formed before
anything is exponentiated: pi_theta -> 0 and large ratios stay finite. Each part maps ``Tokens`` to a
(bs, T) tensor. Its settings are the arguments that have a default; an algorithm takes the settings
of its parts. r = pi_theta / pi_theta_old, s its geometric mean over the row, c = shaping,
w = pi_theta / pi_ref.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch

from hpt.method.estimator.tokens import MAX_LOG_RATIO, MAX_LOG_SEQUENCE_RATIO, Tokens

CLIP_RATIO = 0.2
SHAPING = 0.1

# A number for both sides, (low, high), or None for no clip: r stays in [1 - low, 1 + high].
ClipRatio = float | tuple[float, float] | None


@dataclass(frozen=True)
class Part:
    """A function and how Table 1 shows it. A call takes the settings that are its own and ignores the others."""

    text: str
    function: Callable[..., torch.Tensor]
    settings: tuple[str, ...]

    def __call__(self, *args: torch.Tensor | Tokens, **settings) -> torch.Tensor:
        own = {name: settings[name] for name in self.settings if name in settings}
        return self.function(*args, **own)


def part(text: str) -> Callable[[Callable[..., torch.Tensor]], Part]:
    """Return a decorator that makes a function a part; ``text`` is its cell in Table 1."""

    def decorate(function: Callable[..., torch.Tensor]) -> Part:
        arguments = inspect.signature(function).parameters.values()
        own = tuple(each.name for each in arguments if each.default is not each.empty)
        return Part(text, function, own)

    return decorate


# ---- checks of settings ----


def clip_bounds(clip_ratio: ClipRatio) -> tuple[float, float]:
    """Return the lowest and the highest ratio that ``clip_ratio`` leaves alone.

    Raises:
        ValueError: neither a number >= 0 nor a pair of them nor None.
    """
    if clip_ratio is None:
        return 0.0, math.inf
    pair = clip_ratio if isinstance(clip_ratio, tuple | list) else (clip_ratio, clip_ratio)
    if len(pair) != 2 or not all(isinstance(side, Real) and side >= 0 for side in pair):
        raise ValueError(
            f"got clip_ratio={clip_ratio!r}; expected a number >= 0, a pair (low, high) of such "
            "numbers, or None for no clip"
        )
    # A ratio is positive: low >= 1 is no lower bound.
    return max(1.0 - pair[0], 0.0), 1.0 + pair[1]


def _dual_clip_bound(clip_ratio_c: float | None) -> float:
    if clip_ratio_c is None:
        return math.inf
    if not (isinstance(clip_ratio_c, Real) and clip_ratio_c > 1):
        raise ValueError(f"got clip_ratio_c={clip_ratio_c!r}; expected a number > 1, or None for no dual clip")
    return float(clip_ratio_c)


def _log_shaping(shaping: float) -> float:
    if not (isinstance(shaping, Real) and 0 < shaping < math.inf):
        raise ValueError(f"got shaping={shaping!r}; expected a finite number > 0")
    return math.log(shaping)


# ---- stabilisation: log 1_stable ----


def log_mask(passes: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """log 1_stable of a mask: 0 where the gradient passes, -inf where it is stopped. (bs, T)"""
    return torch.zeros_like(like).masked_fill(~passes, -math.inf)


@part("1")
def unstabilised(tokens: Tokens) -> torch.Tensor:
    """Every token passes."""
    return torch.zeros_like(tokens.log_prob)


def clipped_ratio(
    log_ratio: torch.Tensor,
    within: tuple[float, float],
    advantages: torch.Tensor,
    clip_ratio: ClipRatio,
    clip_ratio_c: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ratio x in min(A r, A clip(r)) = A x, and where x still is the ratio itself. (bs, T) each

    The side of the clip that can act depends on the sign of A. For A < 0 the dual clip (arXiv
    1912.09729) bounds the other side: max(min(A r, A clip(r)), c A).
    """
    lowest, highest = clip_bounds(clip_ratio)
    dual = _dual_clip_bound(clip_ratio_c)
    clamped = torch.clamp(log_ratio, *within)
    ratio = torch.exp(clamped)
    negative = advantages < 0
    if_negative, if_positive = ratio.clamp(lowest, dual), ratio.clamp(max=highest)
    clipped = torch.where(negative, if_negative, if_positive)
    return clipped, (clipped == ratio) & (clamped == log_ratio)


def _token_clip(tokens: Tokens, clip_ratio: ClipRatio, clip_ratio_c: float | None):
    within = (-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return clipped_ratio(tokens.log_ratio, within, tokens.advantages, clip_ratio, clip_ratio_c)


def _sequence_clip(tokens: Tokens, clip_ratio: ClipRatio):
    within = (-math.inf, MAX_LOG_SEQUENCE_RATIO)
    return clipped_ratio(tokens.log_sequence_ratio, within, tokens.advantages, clip_ratio)


@part("mask of clip(r)")
def token_clip(tokens: Tokens, clip_ratio: ClipRatio = CLIP_RATIO, clip_ratio_c: float | None = None) -> torch.Tensor:
    """PPO's clip (arXiv 1707.06347, Eq. 7) as a mask; |log r| > MAX_LOG_RATIO is stopped as well."""
    return log_mask(_token_clip(tokens, clip_ratio, clip_ratio_c)[1], tokens.log_prob)


@part("mask of clip(s)")
def sequence_clip(tokens: Tokens, clip_ratio: ClipRatio = CLIP_RATIO) -> torch.Tensor:
    """GSPO's clip (arXiv 2507.18071); log s > MAX_LOG_SEQUENCE_RATIO is stopped as well."""
    return log_mask(_sequence_clip(tokens, clip_ratio)[1], tokens.log_prob)


@part("clip(r) / r")
def clipped_weight(tokens: Tokens, clip_ratio: ClipRatio = CLIP_RATIO) -> torch.Tensor:
    """CISPO (MiniMax-M1, arXiv 2506.13585): the weight is clipped, the gradient never stopped.

    Its paper clips above only; that is ``clip_ratio=(1, high)``.
    """
    lowest, highest = clip_bounds(clip_ratio)
    low = math.log(lowest) if lowest > 0 else -math.inf
    clamped = torch.clamp(tokens.log_ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO)
    return torch.clamp(clamped, low, math.log(highest)) - tokens.log_ratio


# ---- constant: what the published loss, over -A, is worth where 1_stable stops the gradient ----


@part("0")
def no_constant(tokens: Tokens) -> torch.Tensor:
    return torch.zeros_like(tokens.log_prob)


@part("clip(r)")
def clipped_token_ratio(
    tokens: Tokens, clip_ratio: ClipRatio = CLIP_RATIO, clip_ratio_c: float | None = None
) -> torch.Tensor:
    clipped, passes = _token_clip(tokens, clip_ratio, clip_ratio_c)
    return clipped.masked_fill(passes, 0.0)


@part("clip(s)")
def clipped_sequence_ratio(tokens: Tokens, clip_ratio: ClipRatio = CLIP_RATIO) -> torch.Tensor:
    clipped, passes = _sequence_clip(tokens, clip_ratio)
    return clipped.masked_fill(passes, 0.0)


# ---- reference denominator: log pi_ref ----


@part("pi_theta")
def current_policy(tokens: Tokens) -> torch.Tensor:
    """Sampled from the policy itself (REINFORCE), or weighted as if (SFT)."""
    return tokens.log_prob.detach()


@part("pi_old")
def old_policy(tokens: Tokens) -> torch.Tensor:
    """Importance sampling from the rollout policy."""
    return tokens.old_log_prob


@part("pi_theta / s")
def sequence_policy(tokens: Tokens) -> torch.Tensor:
    """GSPO: pi_theta(y_t) * (pi_theta_old(y) / pi_theta(y))^(1/|y|)."""
    return tokens.log_prob.detach() - tokens.log_sequence_ratio


@part("1")
def no_reference(tokens: Tokens) -> torch.Tensor:
    """Demonstrations whose own probability is unknown: taken as sampled with probability 1."""
    return torch.zeros_like(tokens.log_prob)


# ---- advantage ----


@part("1")
def unit_advantage(tokens: Tokens) -> torch.Tensor:
    """Every demonstration is as good as any other."""
    return torch.ones_like(tokens.log_prob)


def given_advantage(text: str) -> Part:
    """The advantages handed in; ``text`` says how the algorithm computes them."""
    return part(text)(lambda tokens: tokens.advantages)


# ---- likelihood: its gradient is grad pi_theta * exp(log_scale) * factor ----
# log_scale = log 1_stable - log pi_ref. It is added to log pi_theta before exponentiating: neither
# 1 / pi_ref nor 1_stable alone need be representable.


@part("w")
def probability(tokens: Tokens, log_scale: torch.Tensor) -> torch.Tensor:
    """w = pi_theta / pi_ref, an importance ratio unless pi_ref is 1."""
    return torch.exp(tokens.log_prob + log_scale)


@part("sg(w) log pi_theta")
def log_probability(tokens: Tokens, log_scale: torch.Tensor) -> torch.Tensor:
    """A weighted log-likelihood; sg stops the gradient. With pi_ref = pi_theta the weight is 1."""
    return tokens.log_prob * torch.exp(tokens.log_prob.detach() + log_scale)


@part("f(pi_theta)")
def shaped_probability(tokens: Tokens, log_scale: torch.Tensor, shaping: float = SHAPING) -> torch.Tensor:
    """LUFFY's policy shaping f(x) = x / (x + c) (arXiv 2504.14945).

    It is a logistic function of log pi_theta, and evaluated as one.
    """
    return torch.sigmoid(tokens.log_prob - _log_shaping(shaping)) * torch.exp(log_scale)


# ---- extra factor of the likelihood's derivative by pi_theta, as a logarithm ----


@part("1")
def unshaped(tokens: Tokens) -> torch.Tensor:
    return torch.zeros_like(tokens.log_prob)


@part("f'(pi_theta)")
def shaping_slope(tokens: Tokens, shaping: float = SHAPING) -> torch.Tensor:
    """log f'(x) of ``shaped_probability``, f'(x) = c / (x + c)^2."""
    log_c = torch.full_like(tokens.log_prob, _log_shaping(shaping))
    return log_c - 2 * torch.logaddexp(tokens.log_prob, log_c)
