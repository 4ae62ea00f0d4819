# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The hybrid loss on the device, against float64 on the CPU."""

from collections.abc import Callable

import pytest
import torch

from hpt.method.estimator.composite import Composite
from hpt.method.estimator.loss import hybrid_loss
from hpt.method.estimator.rows import Rows
from hpt.method.routing import RowKind

ROWS, TOKENS = 64, 2048
COMPOSITES = {
    "HPT": Composite(),
    "clipped": Composite(rollout_params={"clip_ratio": 0.2}),
    "SRFT": Composite(reweighting="srft"),
}
# Sums are in float32. Gradients have the type of the log-probabilities: bfloat16 keeps 8 bits.
NEAR = {torch.float32: (1e-5, 1e-5), torch.bfloat16: (1e-5, 2**-8)}


def make_batch(dtype: torch.dtype) -> tuple[Rows, torch.Tensor]:
    """Rows of all kinds and lengths, and entropies; the log-probabilities are numbers of this type."""
    random = torch.Generator().manual_seed(0)

    def normal() -> torch.Tensor:
        return torch.randn(ROWS, TOKENS, generator=random)

    log_prob = (-normal().abs()).to(dtype)
    kind = torch.arange(ROWS) % 3
    is_rollout, is_demonstration = kind == RowKind.ROLLOUT, kind == RowKind.DEMONSTRATION
    rows = Rows(
        log_prob=log_prob,
        old_log_prob=(log_prob.float() + 0.2 * normal()).clamp(max=0).to(dtype),
        advantages=normal()[:, :1].expand(-1, TOKENS),
        mask=torch.arange(TOKENS) < torch.randint(1, TOKENS, (ROWS, 1), generator=random),
        kind=kind,
        rl_weight=torch.where(is_rollout | is_demonstration, 1 / (ROWS * TOKENS), 0.0),
        sft_weight=torch.where(is_demonstration, 1 / ROWS / TOKENS, 0.0),
    )
    return rows, normal().abs().to(dtype)


def changed(rows: Rows, function: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
    """The rows with every tensor changed."""
    tensors = {name: each for name, each in rows._asdict().items() if isinstance(each, torch.Tensor)}
    return rows._replace(**{name: function(each) for name, each in tensors.items()})


def computed(rows: Rows, entropy: torch.Tensor, composite: Composite) -> tuple[list[float], torch.Tensor]:
    """The loss's parts, and the gradient of the log-probabilities."""
    rows = rows._replace(log_prob=rows.log_prob.detach().requires_grad_())
    loss = hybrid_loss(rows, composite, entropy=entropy, entropy_coeff=0.01, kl=entropy, kl_coef=0.01)
    loss.total.backward()
    return [float(part) for part in loss], rows.log_prob.grad.cpu().double()


@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("name", COMPOSITES)
def test_the_loss_and_its_gradient_are_those_of_float64(device, name, dtype):
    rows, entropy = make_batch(dtype)
    wide = changed(rows, lambda x: x.double() if x.is_floating_point() else x)
    expected, gradient = computed(wide, entropy.double(), COMPOSITES[name])
    with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        parts, got = computed(changed(rows, lambda x: x.to(device)), entropy.to(device), COMPOSITES[name])
    near, near_gradient = NEAR[dtype]
    assert all(expected)
    assert parts == pytest.approx(expected, rel=near)
    assert float((got - gradient).norm() / gradient.norm()) < near_gradient
