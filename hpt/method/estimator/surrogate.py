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

from collections.abc import Mapping
from typing import Any

import torch

from hpt.method.estimator.algorithms import Algorithm, find
from hpt.method.estimator.tokens import INPUTS, Tokens


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
        old_log_prob: (bs, T) log pi_theta_old in nats, taken as a constant; unused by entries that do not read it.
        advantages: (bs, T), taken as constants; ignored by entries with an advantage of their own, as ``sft``.
        response_mask: (bs, T) true on response tokens, of any dtype.
        params: the entry's settings, such as ``clip_ratio`` (a number, (low, high), or None for no clip);
            ``hpt algorithms`` lists them. And what the entry reads of ``INPUTS``, taken as constants: ``entropy``,
            ``initial_log_prob`` and ``teacher_log_prob``, (bs, T) in nats, and ``mean_score``, (bs,) or (bs, T).

    Returns:
        (bs, T) the published loss per token, in the promoted dtype of the inputs; zero outside the
        mask, whatever the inputs hold there.

    Raises:
        ValueError: an unknown name or parameter, an input that is missing, a value out of range, unequal shapes.
    """
    entry, params, inputs = _entry(name, params)
    dtype, tokens = _prepare(log_prob, old_log_prob, advantages, response_mask, inputs)
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
    entry, params, inputs = _entry(name, params)
    dtype, tokens = _prepare(log_prob.detach(), old_log_prob, advantages, response_mask, inputs)
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
    entry, params, inputs = _entry(name, params)
    dtype, tokens = _prepare(log_prob.detach(), old_log_prob, advantages, response_mask, inputs)
    factor = torch.exp(entry.stabilisation(tokens, **params))
    return torch.where(tokens.mask, factor, 0.0).to(dtype)


def _entry(name: str, params: dict[str, Any]) -> tuple[Algorithm, dict[str, Any], dict[str, torch.Tensor]]:
    """The entry of that name, its settings and its inputs."""
    entry = find(name)
    read = [each for each in INPUTS if each in entry.inputs]
    known = [*entry.settings, *read]
    if unknown := sorted(set(params) - set(known)):
        raise ValueError(
            f"Algorithm '{name}' takes no parameter '{unknown[0]}'. Available: {', '.join(known) or 'none'}."
        )
    if missing := [each for each in read if params.get(each) is None]:
        raise ValueError(f"Algorithm '{name}' reads {missing[0]}, which is missing; expected {missing[0]}=(bs, T)")
    return entry, {key: params[key] for key in params if key not in read}, {key: params[key] for key in read}


def _prepare(
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    inputs: Mapping[str, torch.Tensor],
) -> tuple[torch.dtype, Tokens]:
    """The result's dtype, and the inputs masked and wide enough for sums over a row."""
    given = {"old_log_prob": old_log_prob.detach(), "advantages": advantages.detach()}
    given |= {name: _per_token(name, values, log_prob) for name, values in inputs.items()}
    shapes = {"log_prob": log_prob, **given, "response_mask": response_mask}
    if log_prob.dim() != 2 or any(x.shape != log_prob.shape for x in shapes.values()):
        raise ValueError(
            f"got {', '.join(f'{name} {tuple(x.shape)}' for name, x in shapes.items())}; "
            "expected one shape (bs, T): advantages per row need "
            ".unsqueeze(-1).expand_as(log_prob)"
        )
    dtype = torch.promote_types(torch.promote_types(log_prob.dtype, old_log_prob.dtype), advantages.dtype)
    wide = torch.promote_types(dtype, torch.float32)
    mask = response_mask.bool()

    def masked(values: torch.Tensor) -> torch.Tensor:
        # Mask the inputs, not only the result: 0 * inf in the backward pass would be NaN.
        return torch.where(mask, values.to(wide), 0.0)

    return dtype, Tokens(
        masked(log_prob),
        masked(given.pop("old_log_prob")),
        masked(given.pop("advantages")),
        mask,
        {name: masked(values) for name, values in given.items()},
    )


def _per_token(name: str, values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """An input without its gradient; a question's mean score may be one number per row."""
    if name == "mean_score" and values.numel() == len(like):
        values = values.reshape(-1, 1).expand_as(like)
    return values.detach()
