# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's own losses and advantages as witnesses of ours (see :mod:`hpt.method.proof.check`)."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn
from verl.workers.config import ActorConfig

from hpt.method.proof.check import Witness

# verl's dual clip cannot be switched off. Its ratio is clamped at e^20, so this bound is never met.
NO_DUAL_CLIP = math.exp(21)
# Keeps every ratio: 1 - 1 = 0 is below all of them.
NO_CLIP = (1.0, math.inf)


def policy_loss(
    mode: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    clip_ratio: float | tuple[float, float] | None = 0.2,
    clip_ratio_c: float | None = None,
) -> torch.Tensor:
    """Call the loss ``mode`` of verl's registry, summed over tokens (``loss_agg_mode`` "token-sum").

    A sum is the aggregation that has no denominator of its own, so its gradient is that of
    ``token_surrogate(...).sum()``.
    """
    pair = clip_ratio if isinstance(clip_ratio, tuple) else (clip_ratio, clip_ratio)
    low, high = NO_CLIP if clip_ratio is None else pair
    config = ActorConfig(
        strategy="fsdp2",
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=low,
        clip_ratio_high=high,
        clip_ratio_c=NO_DUAL_CLIP if clip_ratio_c is None else clip_ratio_c,
    )
    loss, _ = get_policy_loss_fn(mode)(
        old_log_prob,
        log_prob,
        advantages,
        response_mask,
        loss_agg_mode="token-sum",
        config=config,
    )
    return loss


def grpo_advantage(scores: torch.Tensor, groups: Sequence, *, normalize: bool = False) -> torch.Tensor:
    """Return verl's GRPO advantage, (bs,); it is divided by the deviation only with ``normalize``."""
    advantages, _ = get_adv_estimator_fn("grpo")(
        scores.clone().unsqueeze(-1),
        torch.ones_like(scores).unsqueeze(-1),
        np.array(groups),
        norm_adv_by_std_in_grpo=normalize,
    )
    return advantages.squeeze(-1)


VERL_WITNESS = Witness(
    losses={
        "reinforce": partial(policy_loss, "gpg"),
        "ppo": partial(policy_loss, "vanilla"),
        "grpo": partial(policy_loss, "vanilla"),
        "dr_grpo": partial(policy_loss, "vanilla"),
        "cispo": partial(policy_loss, "cispo"),
        "gspo": partial(policy_loss, "gspo"),
    },
    advantage=grpo_advantage,
)
