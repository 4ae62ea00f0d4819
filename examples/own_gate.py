# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A gate of one's own: the more of a question is solved, the less of its demonstration; none from one half on.

python -m recipe.hpt.main_hpt ... hpt.strategy=soft hpt.schedule=examples.own_gate:fading
"""


def fading(mean_score):
    """P of a question -> weights of (RL on its rollouts, off-policy RL on its demonstration, SFT on it)."""
    sft = max(0.0, 1.0 - 2.0 * mean_score)
    return 1.0 - sft, 0.0, sft
