# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""SFT with a fault that arXiv 2604.23747 found under published baselines; for the study only, by ``hpt.plugins``.

The other fault, gradient accumulation that drops micro-batches, needs no code: it is ``DROPPED`` in
:mod:`recipe.hpt.reproduction.methods`.
"""

from dataclasses import replace

from hpt.method.strategies import STRATEGIES, register_strategy

MEAN_OF_MEANS = "sft_mean_of_means"

# A mean over micro-batches of the means over their tokens, with one demonstration per micro-batch. So a token of a
# short demonstration weighs more than one of a long demonstration.
register_strategy(
    MEAN_OF_MEANS,
    replace(STRATEGIES["sft_only"], summary="SFT whose loss is a mean of means (a fault)", pooled_sft=False),
)
