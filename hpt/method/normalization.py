# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Normalization: what the terms of the loss are means over, as one class per way. Imports no torch.

An instance knows the sizes of a training and gives routing its denominators. The class methods are the part that
travels to the actor with :class:`hpt.method.estimator.composite.Composite`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Normalization(ABC):
    """What both ways have in common.

    Attributes:
        questions_per_step: N, questions in an optimizer step (``ppo_mini_batch_size``), >= 1.
        max_response_length: L_max in tokens.
        standardizes: whether entries may divide a group's advantages by their standard deviation.
        demonstration_entry: entry that reinforces demonstrations unless the user names one; None: the strategy's.
        averages_entropy: the entropy term is a mean over all response tokens of a micro-batch and over ranks,
            instead of a sum over rollout tokens under their RL weight. So a demonstration without a weight counts.
        cuts_rows: an optimizer step has a number of rows, in the batch's order, instead of a number of questions.

    Raises:
        ValueError: N below 1.
    """

    questions_per_step: int
    max_response_length: int

    standardizes: ClassVar[bool] = True
    demonstration_entry: ClassVar[str | None] = None
    averages_entropy: ClassVar[bool] = False
    cuts_rows: ClassVar[bool] = False

    def __post_init__(self):
        if self.questions_per_step < 1:
            raise ValueError(f"got questions_per_step={self.questions_per_step}; expected at least 1")

    @abstractmethod
    def rl(self, length: str, row_tokens: int, group_rows: int, group_tokens: int, step_tokens: int) -> float:
        """Denominator of a row's RL term.

        Args:
            length: ``constant``, ``row``, ``group`` or ``step``; see :class:`hpt.method.estimator.credit.Length`.
            row_tokens: response tokens of the row.
            group_rows: rows of its group.
            group_tokens: response tokens of its group.
            step_tokens: response tokens of all groups in the optimizer step.
        """

    @abstractmethod
    def sft(self, row_tokens: int, tokens_of_step: float) -> float:
        """Denominator of a row's SFT term.

        Args:
            row_tokens: tokens of the demonstration.
            tokens_of_step: tokens of all demonstrations with an SFT term in the optimizer step; of a question whose
                rollouts have it, their mean number.
        """

    @classmethod
    def sft_in_micro_batch(cls, mask: "torch.Tensor") -> "torch.Tensor | float":
        """Further denominator of the SFT term, from the (bs, T) mask of a micro-batch's demonstration tokens."""
        return 1.0


@dataclass(frozen=True)
class PromptNormalization(Normalization):
    """Means over the questions of an optimizer step (arXiv 2509.04419, Section 3.2), whatever the packing.

    Attributes:
        pooled_sft: SFT is a mean over all demonstration tokens of the optimizer step, instead of a mean over
            questions of means over their tokens.
    """

    pooled_sft: bool = False

    def rl(self, length: str, row_tokens: int, group_rows: int, group_tokens: int, step_tokens: int) -> float:
        if length == "step":
            return step_tokens
        if length == "group":
            return self.questions_per_step * group_tokens
        per_row = self.max_response_length if length == "constant" else row_tokens
        return self.questions_per_step * group_rows * per_row

    def sft(self, row_tokens: int, tokens_of_step: float) -> float:
        return tokens_of_step if self.pooled_sft else self.questions_per_step * row_tokens


@dataclass(frozen=True)
class ReleasedNormalization(Normalization):
    """The arithmetic of the paper's released code, in which packing changes the weight of SFT against RL.

    SFT is a mean over a micro-batch's demonstration tokens, and every term is a mean over ranks. The released code
    divides no advantage by a deviation and shapes SRFT's probabilities as LUFFY's; Table 1 of the paper does not.

    Attributes:
        ranks: data-parallel ranks, >= 1.
    """

    ranks: int = 1

    standardizes: ClassVar[bool] = False
    demonstration_entry: ClassVar[str | None] = "luffy_offline"
    averages_entropy: ClassVar[bool] = True
    cuts_rows: ClassVar[bool] = True

    def rl(self, length: str, row_tokens: int, group_rows: int, group_tokens: int, step_tokens: int) -> float:
        return self.max_response_length * self.ranks

    def sft(self, row_tokens: int, tokens_of_step: float) -> float:
        return self.ranks

    @classmethod
    def sft_in_micro_batch(cls, mask: "torch.Tensor") -> "torch.Tensor | float":
        return mask.sum().clamp(min=1)


NORMALIZATIONS: dict[str, type[Normalization]] = {
    "prompt": PromptNormalization,
    "released": ReleasedNormalization,
}
