# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Group advantages. Shapes: (bs,) one number per row."""

from collections.abc import Sequence

import torch

# verl's: it keeps groups whose scores all but agree from blowing up.
STD_EPSILON = 1e-6


def group_advantages(scores: torch.Tensor, groups: Sequence, *, normalize: bool = False) -> torch.Tensor:
    """Subtract the mean of each row's group from its score; with ``normalize``, divide by the group's deviation.

    Dr. GRPO (arXiv 2503.20783): A = R - mean(R). GRPO (arXiv 2402.03300), ``normalize=True``:
    A = (R - mean(R)) / (std(R) + STD_EPSILON), the deviation unbiased (divided by n - 1), as in verl.
    A group of one keeps its score as its advantage (mean 0, std 1), as in verl: a demonstration row
    of score 1 that forms a group of its own has A = 1, the advantage of SFT in the paper's Table 1.

    LUFFY (arXiv 2504.14945) and SRFT (arXiv 2506.19767) compare a question's demonstrations with its
    rollouts, G = Gon U Goff: that is this function, with the demonstration rows (score 1) under the
    label of their question's rollouts.

    Args:
        scores: (bs,) one score per row.
        groups: bs hashable labels; rows with equal labels form a group.
        normalize: divide by the group's standard deviation.

    Returns:
        (bs,) advantages in the scores' dtype. Exactly 0 in a group whose scores are all equal.

    Raises:
        ValueError: a number of labels other than bs.
    """
    if scores.dim() != 1 or len(groups) != scores.shape[0]:
        raise ValueError(
            f"got scores of shape {tuple(scores.shape)} and {len(groups)} group labels; expected (bs,) and bs labels"
        )
    first: dict = {}  # label -> its first row, by which the group is known below
    rows = [first.setdefault(label, row) for row, label in enumerate(groups)]
    group = torch.tensor(rows, device=scores.device, dtype=torch.long)
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    size = torch.bincount(group, minlength=len(rows))[group]

    def group_sum(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(values).index_add_(0, group, values)[group]

    # Relative to one of the group's own scores, rounding cannot make equal scores differ from their
    # mean: divided by a deviation of the same size, that would be an advantage.
    shifted = wide - wide[group]
    advantages = torch.where(size > 1, shifted - group_sum(shifted) / size, wide)
    if normalize:
        variance = group_sum(advantages.square()) / (size - 1).clamp(min=1)
        std = torch.where(size > 1, variance.sqrt(), 1.0)
        advantages = advantages / (std + STD_EPSILON)
    return advantages.to(scores.dtype)
