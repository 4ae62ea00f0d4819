# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The loss function that verl's training worker runs on each micro-batch."""

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDict
from verl.trainer.ppo.core_algos import get_policy_loss_fn, kl_penalty
from verl.utils.metric import AggregationType, Metric
from verl.workers.utils.padding import no_padding_2_padding

import hpt.verl_ext.registration  # noqa: F401  (worker processes know the loss by its name only)
from hpt.method.estimator.composite import Composite
from hpt.method.routing import RowKind
from hpt.method.strategies import import_plugins

TOKEN_FIELDS = (
    "response_mask",
    "advantages",
    "old_log_probs",
    "ref_log_prob",
    "rollout_is_weights",
    "teacher_log_prob",
)


def actor_loss(
    config: Any,
    composite: Composite,
    plugins: Sequence[str],
    model_output: dict[str, torch.Tensor],
    data: TensorDict,
    dp_group: Any = None,
) -> tuple[torch.Tensor, dict[str, Metric]]:
    """Compute the hybrid loss of one micro-batch, and its parts as metrics.

    Args:
        config: verl's ActorConfig; read, never written.
        composite: the method.
        plugins: modules that register algorithms of the user's own.
        model_output: ``log_probs`` (and ``entropy``), nested over whole sequences.
        data: the micro-batch; token fields nested over responses, ``row_kind``, ``rl_weight``, ``sft_weight`` and
            ``mean_score`` one number per row.

    Returns:
        The loss to run backward on, and metrics that add up over micro-batches.
    """
    import_plugins(plugins)  # a worker process has not seen them; importing again does nothing
    log_prob = no_padding_2_padding(model_output["log_probs"], data)  # (bs, T)
    entropy = model_output.get("entropy")
    if entropy is not None:
        entropy = no_padding_2_padding(entropy, data)
    tokens = data.select(*[name for name in TOKEN_FIELDS if name in data]).to_padded_tensor()
    mask = tokens["response_mask"].bool()
    # Rows without a log pi_old of their own were sampled by this very policy: the ratio is 1.
    old_log_prob = log_prob.detach()
    if "old_log_probs" in tokens:
        on_policy = data["on_policy"].reshape(-1, 1).bool()
        old_log_prob = torch.where(on_policy, old_log_prob, tokens["old_log_probs"].to(old_log_prob.dtype))
    kl = None
    if config.use_kl_loss:
        kl = kl_penalty(log_prob, tokens["ref_log_prob"], config.kl_loss_type)

    row_kind, dp_size = data["row_kind"].reshape(-1), data["dp_size"]
    loss = get_policy_loss_fn(config.policy_loss["loss_mode"])(
        old_log_prob=old_log_prob,
        log_prob=log_prob,
        advantages=tokens["advantages"],
        response_mask=mask,
        config=config,
        rollout_is_weights=tokens.get("rollout_is_weights", None),
        row_kind=row_kind,
        rl_weight=data["rl_weight"].reshape(-1),
        sft_weight=data["sft_weight"].reshape(-1),
        prefix=data["prefix_length"].reshape(-1) if "prefix_length" in data else None,
        inputs=_inputs(tokens, data),
        composite=composite,
        entropy=entropy,
        # The released code averages over ranks; the other terms' weights know that already.
        entropy_coeff=config.entropy_coeff / (dp_size if composite.normalization.averages_entropy else 1),
        kl=kl,
        kl_coef=config.kl_loss_coef if config.use_kl_loss else 0.0,
    )
    # FSDP averages gradients over ranks, the loss is a sum over them. The reported parts carry the
    # same factor, because verl averages metrics over ranks before adding up micro-batches.
    parts = {"hpt/loss_rl": loss.rl, "hpt/loss_off": loss.off, "hpt/loss_sft": loss.sft}
    if config.entropy_coeff != 0.0:
        parts["hpt/loss_entropy"] = loss.entropy
    if config.use_kl_loss:
        parts["hpt/loss_kl"] = loss.kl
    if entropy is not None:
        rollout_mask = mask & (row_kind == RowKind.ROLLOUT).unsqueeze(-1)
        parts["hpt/entropy_sum"] = torch.where(rollout_mask, entropy, torch.zeros_like(entropy)).sum()
        parts["hpt/entropy_tokens"] = rollout_mask.sum().to(entropy.dtype)
    metrics = {name: Metric(AggregationType.SUM, part.detach() * dp_size) for name, part in parts.items()}
    return loss.total * dp_size, metrics


def _inputs(tokens: TensorDict, data: TensorDict) -> dict[str, torch.Tensor]:
    """What entries read beside log-probabilities and advantages; (bs, T)."""
    # The reference policy is the policy before the training, so log pi_0 is verl's ref_log_prob.
    inputs = {}
    if "mean_score" in data:
        inputs["mean_score"] = data["mean_score"].reshape(-1, 1).expand_as(tokens["response_mask"])
    for name, field in (("initial_log_prob", "ref_log_prob"), ("teacher_log_prob", "teacher_log_prob")):
        if field in tokens:
            inputs[name] = tokens[field]
    return inputs
