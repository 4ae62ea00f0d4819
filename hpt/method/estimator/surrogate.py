# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The unified estimator per token (arXiv 2509.04419, Table 1), for any entry of ``ALGORITHMS``.

    grad_Uni = 1_stable * (1 / pi_ref) * A * grad pi_theta      (per token)

``token_coefficient`` is the number in front of grad pi_theta; ``token_surrogate`` is a function whose
gradient is minus that, and whose value is the algorithm's published loss per token. Both form the
product in log space and in float32 at least, so the surrogate stays finite as pi_theta -> 0. The
coefficient itself holds 1 / pi_ref: it leaves float32's range where log pi_ref < -88.
Shapes: (bs, T) rows by response tokens.
"""

import torch

from hpt.method.estimator.algorithms import Algorithm, find
from hpt.method.estimator.tokens import Tokens


def token_surrogate(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """Differentiable surrogate per token; the gradient of its sum is -sum coefficient * grad pi_theta.

    Args:
        name: a key of ``ALGORITHMS``.
        log_prob: (bs, T) log pi_theta of the response tokens in nats, with gradient.
        old_log_prob: (bs, T) log pi_theta_old in nats, taken as a constant; unused by ``sft``,
            ``reinforce``, ``luffy_offline`` and ``srft_offline``.
        advantages: (bs, T), taken as constants; ignored by ``sft``, whose advantage is 1.
        response_mask: (bs, T) true on response tokens, of any dtype.
        params: the entry's own. ``clip_ratio`` (default 0.2; a number, (low, high), or None for no
            clip) of ppo, grpo, dr_grpo, gspo and cispo; ``clip_ratio_c`` (default None; dual clip) of
            ppo, grpo and dr_grpo; ``shaping`` (default 0.1) of luffy_offline.

    Returns:
        (bs, T) the published loss per token, in the promoted dtype of the inputs; zero outside the
        mask, whatever the inputs hold there.

    Raises:
        ValueError: an unknown name or parameter, a value out of range, unequal shapes.
    """
    entry = _entry(name, params)
    dtype, tokens = _prepare(log_prob, old_log_prob, advantages, response_mask)
    constant = tokens.detached()
    log_scale = entry.stabilisation(constant, **params) - entry.reference(constant, **params)
    objective = entry.likelihood(tokens, log_scale, **params) + entry.constant(constant, **params)
    loss = -entry.advantage(constant, **params) * objective
    return torch.where(tokens.mask, loss, 0.0).to(dtype)


def token_coefficient(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """1_stable * A / pi_ref per token, the number that multiplies grad pi_theta.

    For ``luffy_offline`` it includes the shaping's slope f'(pi_theta). Arguments, dtype and errors
    as in ``token_surrogate``; (bs, T), without gradient, zero outside the mask.
    """
    entry = _entry(name, params)
    dtype, tokens = _prepare(log_prob.detach(), old_log_prob, advantages, response_mask)
    log_scale = entry.stabilisation(tokens, **params) - entry.reference(tokens, **params)
    scale = torch.exp(log_scale + entry.factor(tokens, **params))
    coefficient = entry.advantage(tokens, **params) * scale
    return torch.where(tokens.mask, coefficient, 0.0).to(dtype)


def token_stabilisation(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """1_stable per token: 0 where the gradient is stopped, 1 where it is left alone.

    Arguments, dtype and errors as in ``token_surrogate``; (bs, T), without gradient, zero outside
    the mask.
    """
    entry = _entry(name, params)
    dtype, tokens = _prepare(log_prob.detach(), old_log_prob, advantages, response_mask)
    factor = torch.exp(entry.stabilisation(tokens, **params))
    return torch.where(tokens.mask, factor, 0.0).to(dtype)


def _entry(name: str, params: dict) -> Algorithm:
    entry = find(name)
    unknown = sorted(set(params) - set(entry.settings))
    if unknown:
        raise ValueError(
            f"Algorithm '{name}' takes no parameter '{unknown[0]}'. Available: {', '.join(entry.settings) or 'none'}."
        )
    return entry


def _prepare(
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
) -> tuple[torch.dtype, Tokens]:
    """The result's dtype, and the inputs masked and wide enough for sums over a row."""
    inputs = (log_prob, old_log_prob.detach(), advantages.detach())
    if log_prob.dim() != 2 or any(x.shape != log_prob.shape for x in (*inputs, response_mask)):
        raise ValueError(
            f"got log_prob {tuple(log_prob.shape)}, old_log_prob {tuple(old_log_prob.shape)}, "
            f"advantages {tuple(advantages.shape)}, response_mask {tuple(response_mask.shape)}; "
            "expected one shape (bs, T): advantages per row need "
            ".unsqueeze(-1).expand_as(log_prob)"
        )
    dtype = torch.promote_types(torch.promote_types(log_prob.dtype, old_log_prob.dtype), advantages.dtype)
    wide = torch.promote_types(dtype, torch.float32)
    mask = response_mask.bool()
    # Mask the inputs, not only the result: 0 * inf in the backward pass would be NaN.
    log_prob, old_log_prob, advantages = (torch.where(mask, x.to(wide), 0.0) for x in inputs)
    return dtype, Tokens(log_prob, old_log_prob, advantages, mask)
