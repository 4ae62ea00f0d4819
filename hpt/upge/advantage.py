# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Group advantages. Shapes: (bs,) one number per row, (bs, T) rows by response tokens."""

from collections.abc import Sequence

import torch


def group_advantages(scores: torch.Tensor, groups: Sequence) -> torch.Tensor:
    """Dr. GRPO's advantage A = R - mean(R) over the row's group (no division by the deviation).

    A group of one keeps its score as its advantage, as in verl: a demonstration row of score 1 that
    forms a group of its own has A = 1, the advantage of SFT in the paper's Table 1.

    Args:
        scores: (bs,) one score per row.
        groups: bs hashable labels; rows with equal labels form a group.

    Returns:
        (bs,) advantages in the scores' dtype.

    Raises:
        ValueError: a number of labels other than bs.
    """
    if scores.dim() != 1 or len(groups) != scores.shape[0]:
        raise ValueError(
            f"got scores of shape {tuple(scores.shape)} and {len(groups)} group labels; "
            "expected (bs,) and bs labels"
        )
    order = {label: number for number, label in enumerate(dict.fromkeys(groups))}
    group = torch.tensor([order[label] for label in groups], device=scores.device, dtype=torch.long)
    size = torch.bincount(group, minlength=len(order))
    mean = torch.zeros(len(order), dtype=scores.dtype, device=scores.device)
    mean.index_add_(0, group, scores / size[group].to(scores.dtype))
    return torch.where(size[group] > 1, scores - mean[group], scores)
