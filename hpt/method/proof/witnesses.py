# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The published losses and advantages, written a second time from the papers, as plain loops.

Nothing here is shared with the estimator: probabilities instead of log-probabilities, cases instead
of masks, one token or one sequence at a time. Slow, and meant for float64. Every loss takes
(bs, T) log pi_theta, log pi_theta_old, advantages and mask, and returns the sum over tokens of the
loss that is published, to run backward on. What a loss needs besides is a keyword, (bs, T) too. A
stop-gradient is a Python float. p = pi_theta, r = pi_theta / pi_theta_old.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch

Loss = Callable[..., torch.Tensor]
# What bounds a ratio from without: verl's clamps of a token's and of a sequence's log-ratio.
LARGEST_TOKEN_RATIO = math.exp(20)
LARGEST_SEQUENCE_RATIO = math.exp(10)


def _by_token(term: Callable[..., torch.Tensor | float]) -> Loss:
    """The loss whose terms are those of single tokens.

    ``term`` takes log pi_theta with its gradient, log pi_theta_old and A of a token. Its keywords are the loss's; what
    is (bs, T) there is the token's number here.
    """

    @functools.wraps(term)
    def loss(log_prob, old, advantages, mask, **given) -> torch.Tensor:
        total = log_prob.sum() * 0
        for i, t in mask.nonzero().tolist():
            own = {name: x[i, t].item() if isinstance(x, torch.Tensor) else x for name, x in given.items()}
            total = total + term(log_prob[i, t], old[i, t].item(), advantages[i, t].item(), **own)
        return total

    return loss


def _clip_sides(clip_ratio) -> tuple[float, float]:
    """(smallest, largest) ratio inside the clip."""
    if clip_ratio is None:
        return -math.inf, math.inf
    if isinstance(clip_ratio, tuple):
        return 1 - clip_ratio[0], 1 + clip_ratio[1]
    return 1 - clip_ratio, 1 + clip_ratio


def _ratio(token: torch.Tensor, old_token: float) -> torch.Tensor:
    """pi_theta / pi_theta_old of one token; a constant where verl's clamp holds it."""
    ratio = token.exp() / math.exp(old_token)
    bounded = min(max(ratio.item(), 1 / LARGEST_TOKEN_RATIO), LARGEST_TOKEN_RATIO)
    return ratio if bounded == ratio.item() else torch.tensor(bounded, dtype=token.dtype)


def _pessimistic(ratio: torch.Tensor, advantage: float, clip_ratio, dual: float | None = None) -> torch.Tensor | float:
    """min(A r, A clip(r)), for A < 0 not below c A; the cases of PPO's figure 1 one by one."""
    smallest, largest = _clip_sides(clip_ratio)
    if advantage >= 0:
        return advantage * (largest if ratio > largest else ratio)
    if ratio < smallest:
        return advantage * smallest
    return advantage * (dual if dual is not None and ratio > dual else ratio)


@_by_token
def sft(token, old_token, advantage):
    """Negative log-likelihood."""
    return -token


@_by_token
def reinforce(token, old_token, advantage):
    """-R log pi_theta."""
    return -advantage * token


@_by_token
def ppo(token, old_token, advantage, clip_ratio=0.2, clip_ratio_c=None):
    """arXiv 1707.06347, Eq. 7. GRPO and Dr. GRPO differ in the advantage and in the denominators."""
    return -_pessimistic(_ratio(token, old_token), advantage, clip_ratio, clip_ratio_c)


@_by_token
def cispo(token, old_token, advantage, clip_ratio=0.2):
    """arXiv 2506.13585: a clipped weight, without gradient, on A log pi_theta."""
    smallest, largest = _clip_sides(clip_ratio)
    return -min(max(_ratio(token, old_token).item(), smallest), largest) * advantage * token


def gspo(log_prob, old, advantages, mask, clip_ratio=0.2) -> torch.Tensor:
    """arXiv 2507.18071: one ratio and one loss per sequence; here times its length.

    The paper takes the mean over a sequence's tokens and this module sums them. Token weights, as
    in its GSPO-token and in verl, give the same gradient as long as a row has one advantage.
    """
    loss = log_prob.sum() * 0
    for row, old_row, advantage_row, mask_row in zip(log_prob, old, advantages, mask, strict=True):
        length = int(mask_row.sum())
        if length == 0:
            continue
        ratio = torch.exp(row[mask_row].mean() - old_row[mask_row].mean())
        if ratio > LARGEST_SEQUENCE_RATIO:
            ratio = torch.tensor(LARGEST_SEQUENCE_RATIO, dtype=log_prob.dtype)
        loss = loss - length * _pessimistic(ratio, advantage_row[mask_row][0].item(), clip_ratio)
    return loss


@_by_token
def luffy_offline(token, old_token, advantage, shaping=0.1):
    """arXiv 2504.14945, policy shaping: f(x) = x / (x + c) of the probability."""
    return -advantage * token.exp() / (token.exp() + shaping)


@_by_token
def srft_offline(token, old_token, advantage):
    """arXiv 2506.19767, the RL term on demonstrations: the probability itself."""
    return -advantage * token.exp()


@_by_token
def dft(token, old_token, advantage):
    """arXiv 2508.05629: the log-likelihood, each token weighted by its probability."""
    return -math.exp(token.item()) * token


@_by_token
def chord_phi(token, old_token, advantage):
    """arXiv 2508.11408: the log-likelihood, each token weighted by p (1 - p)."""
    probability = math.exp(token.item())
    return -probability * (1 - probability) * token


@_by_token
def trsft(token, old_token, advantage, alpha=0.1):
    """arXiv 2512.17636, Eq. 3: p over itself, but not below alpha."""
    probability = token.exp()
    return -probability / max(probability.item(), alpha)


@_by_token
def eaft(token, old_token, advantage, alpha=1.0, *, entropy):
    """arXiv 2601.02151: the log-likelihood, weighted by (H / 3)^alpha; 3 is ln 20, rounded.

    There H is the entropy of the 20 likeliest tokens, normalised among themselves, so that the
    weight stays below 1. Here it is what is given.
    """
    return -((entropy / 3) ** alpha) * token


def iw_sft(log_prob, old, advantages, mask, max_weight=16.0, *, initial_log_prob) -> torch.Tensor:
    """arXiv 2507.12856, by sequence: a row's weight is the geometric mean of p / p_0, at most ``max_weight``."""
    loss = log_prob.sum() * 0
    for row, initial_row, mask_row in zip(log_prob, initial_log_prob, mask, strict=True):
        tokens, initial = row[mask_row], initial_row[mask_row].tolist()
        if not initial:
            continue
        log_ratios = [now - then for now, then in zip(tokens.tolist(), initial, strict=True)]
        loss = loss - min(math.exp(math.fsum(log_ratios) / len(log_ratios)), max_weight) * tokens.sum()
    return loss


def psft(log_prob, old, advantages, mask, clip_ratio=(0.2, 0.28)) -> torch.Tensor:
    """arXiv 2508.17784: PPO with an advantage of 1 everywhere."""
    return ppo(log_prob, old, torch.ones_like(log_prob), mask, clip_ratio=clip_ratio)


@_by_token
def rl_plus_offline(token, old_token, advantage, focal=0.5, omega=0.5):
    """arXiv 2508.00222, the term on demonstrations: p over the mean of pi_old and of the policy behind them.

    That policy is unknown and taken as omega pi_old + (1 - omega) U with U = 1, as in the released
    code; the paper and the code have omega = .5 only. Rare tokens count more: A (1 - p)^focal.
    """
    behaviour = math.exp(old_token)
    mixture = (behaviour + omega * behaviour + (1 - omega)) / 2
    mixture = max(mixture, math.exp(token.item()) / LARGEST_TOKEN_RATIO)
    rarity = (1 - math.exp(token.item())) ** focal
    return -advantage * rarity * token.exp() / mixture


def prefix_rft(log_prob, old, advantages, mask, low_entropy_share=0.8, *, entropy) -> torch.Tensor:
    """arXiv 2507.01679, prefix tokens: -A r without a clip, of the tokens with the most entropy in each row."""
    loss = log_prob.sum() * 0
    for i in range(len(mask)):
        places = sorted(mask[i].nonzero().flatten().tolist(), key=lambda t: entropy[i, t].item())
        for t in places[int(low_entropy_share * len(places) + 1e-9) :]:
            ratio = log_prob[i, t].exp() / math.exp(old[i, t])
            if 1 / LARGEST_TOKEN_RATIO <= ratio <= LARGEST_TOKEN_RATIO:
                loss = loss - advantages[i, t].item() * ratio
    return loss


@_by_token
def topr(token, old_token, advantage):
    """arXiv 2503.14286 by token, as in Trinity-RFT: A log p, times min(r, 1) where A is not positive.

    The paper has the ratio of the whole sequence.
    """
    taper = 1.0 if advantage > 0 else min(token.exp().item() / math.exp(old_token), 1.0)
    return -taper * advantage * token


@_by_token
def nft(token, old_token, advantage, eps=1.0, *, mean_score):
    """arXiv 2505.18116 with the released code's weight 1 - c, c = P within [.02, .98]; by token.

    Correct responses raise r, wrong ones what it implies for the policy of wrong responses:
    q = (1 - c r) / (1 - c). Where q < eps the value is log eps and the slope that of q / eps.
    """
    correct = min(max(mean_score, 0.02), 0.98)
    if advantage > 0:
        return -(1 - correct) * (token.exp() / math.exp(old_token)).log()
    if advantage == 0:
        return 0.0
    implied = (1 - correct * _ratio(token, old_token)) / (1 - correct)
    floored = max(implied.item(), eps)
    return -(1 - correct) * (math.log(floored) + (implied - implied.item()) / floored)


@_by_token
def self_distill(token, old_token, advantage, max_ratio=2.0, *, teacher_log_prob):
    """SDPO (arXiv 2601.20802) on sampled tokens: REINFORCE on log pi_T - log p, times r up to ``max_ratio``."""
    weight = min(token.exp().item() / math.exp(old_token), max_ratio)
    return -weight * (teacher_log_prob - token.item()) * token


@_by_token
def rlsd(token, old_token, advantage, lam=0.5, eps=0.2, clip_ratio=0.2, clip_ratio_c=None, *, teacher_log_prob):
    """arXiv 2604.03128: the teacher scales a token's advantage within 1 -+ eps and never turns its sign.

    What it scales by is pi_T / pi_old where A > 0, and the inverse where A < 0. The rest is PPO's.
    """
    if advantage == 0:
        return 0.0
    evidence = math.exp(teacher_log_prob) / math.exp(old_token)
    evidence = min(max(evidence if advantage > 0 else 1 / evidence, 1 - eps), 1 + eps)
    scaled = advantage * (1 - lam + lam * evidence)
    return -_pessimistic(_ratio(token, old_token), scaled, clip_ratio, clip_ratio_c)


PUBLISHED_LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "sft": sft,
        "reinforce": reinforce,
        "ppo": ppo,
        "grpo": ppo,
        "dr_grpo": ppo,
        "cispo": cispo,
        "gspo": gspo,
        "luffy_offline": luffy_offline,
        "srft_offline": srft_offline,
        "dft": dft,
        "chord_phi": chord_phi,
        "trsft": trsft,
        "eaft": eaft,
        "iw_sft": iw_sft,
        "psft": psft,
        "rl_plus_offline": rl_plus_offline,
        "prefix_rft": prefix_rft,
        # RAFT is REINFORCE on rewards that are not negative, MaxRL PPO: both differ in the credit only.
        "raft": reinforce,
        "max_rl": ppo,
        "topr": topr,
        "nft": nft,
        "self_distill": self_distill,
        "rlsd": rlsd,
    }
)


def group_advantage(scores: torch.Tensor, groups: Sequence, *, normalize: bool = False) -> torch.Tensor:
    """(bs,) GRPO's (``normalize``) and Dr. GRPO's advantage, group by group in Python's numbers."""
    values = scores.tolist()
    result = []
    for value, label in zip(values, groups, strict=True):
        members = [other for other, its in zip(values, groups, strict=True) if its == label]
        mean, std = 0.0, 1.0
        if len(members) > 1:
            mean = math.fsum(members) / len(members)
            std = math.sqrt(math.fsum((x - mean) ** 2 for x in members) / (len(members) - 1))
        result.append((value - mean) / (std + 1e-6) if normalize else value - mean)
    return torch.tensor(result, dtype=scores.dtype)
