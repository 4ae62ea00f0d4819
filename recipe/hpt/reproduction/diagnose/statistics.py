# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Streamed statistics of gradient estimators, which keep no list of gradients.

Shapes: P parameters in B blocks, Q questions with K groups of rollouts each. Vectors are flat (P,), in float64. The
gradient of question q and group k is g_qk, and an optimizer step on the Q questions is mean_q g_qk. Variances are
traces: they are summed over the parameters of a block.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

DTYPE = torch.float64
MAX_FOLDS = 8
"""Vectors per entry that standard errors are computed from. With fewer, a jackknife is itself uncertain."""


@dataclass(frozen=True)
class Layout:
    """Which parameters a flat vector holds, and which block each belongs to.

    Attributes:
        sizes: elements of each parameter tensor, in the order of the vector.
        block: index into ``names`` for each parameter tensor.
        names: the blocks.
        device: where the vectors live.
    """

    sizes: tuple[int, ...]
    block: tuple[int, ...]
    names: tuple[str, ...]
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable

    @property
    def total(self) -> int:
        """P, the number of parameters."""
        return sum(self.sizes)

    def zeros(self) -> torch.Tensor:
        """A vector of zeros, (P,)."""
        return torch.zeros(self.total, dtype=DTYPE, device=self.device)

    def block_dots(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Inner product of two vectors (P,) within each block; (B,) on the CPU."""
        pairs = zip(left.split(self.sizes), right.split(self.sizes), strict=True)
        per_parameter = torch.stack([torch.dot(a, b) for a, b in pairs]).cpu()
        result = torch.zeros(len(self.names), dtype=DTYPE)
        return result.index_add_(0, torch.tensor(self.block), per_parameter)


class Welford:
    """Streaming mean of vectors, and their squared deviations summed within blocks.

    Welford (1962) takes no difference of two large sums, so a variance far below the squared mean survives.
    """

    def __init__(self, layout: Layout):
        self.layout = layout
        self.count = 0
        self.mean = layout.zeros()
        self._squared_deviations = torch.zeros(len(layout.names), dtype=DTYPE)

    def add(self, vector: torch.Tensor) -> None:
        """Take in one more vector (P,)."""
        self.count += 1
        before = vector - self.mean
        self.mean.add_(before, alpha=1.0 / self.count)
        self._squared_deviations += self.layout.block_dots(before, vector - self.mean)

    def variance(self) -> torch.Tensor:
        """Unbiased variance (divided by count - 1), summed within each block, (B,)."""
        assert self.count > 1, "a variance needs two vectors"
        return self._squared_deviations / (self.count - 1)


class NestedMoments:
    """Mean and variance components of g_qk: groups within questions.

    With V_q the variance over groups of question q, W = mean_q V_q and g_q = mean_k g_qk:

        variance over rollouts   W / Q                         same questions, fresh rollouts
        variance over questions  (Var_q g_q - W / K) / Q       fresh questions, no rollout noise
        squared norm             |mean_qk g_qk|^2 - W / (Q K)  of the expected step on these questions

    The first two add up to the variance of a step's gradient on Q fresh questions with one group each. All three are
    unbiased if groups are independent. The last two may come out negative.
    """

    def __init__(self, layout: Layout):
        self.layout = layout
        self.groups = 0
        self._questions = Welford(layout)
        self._within: list[torch.Tensor] = []

    def add(self, question: Welford) -> None:
        """Take in one question's groups. Each question has the same number of them."""
        assert self.groups in (0, question.count), "unequal numbers of groups"
        self.groups = question.count
        self._questions.add(question.mean)
        self._within.append(question.variance())

    @property
    def mean(self) -> torch.Tensor:
        """mean_qk g_qk, (P,)."""
        return self._questions.mean

    @property
    def questions(self) -> int:
        """Q, the number of questions."""
        return self._questions.count

    @cached_property
    def within(self) -> torch.Tensor:
        """V_q per question and block, (Q, B)."""
        return torch.stack(self._within)

    @property
    def rollout_variance(self) -> torch.Tensor:
        """Variance over rollouts per block, (B,)."""
        return self.within.mean(0) / self.questions

    @property
    def question_variance(self) -> torch.Tensor | None:
        """Variance over questions per block, (B,); None for a single question."""
        if self.questions < 2:
            return None
        between = self._questions.variance() - self.within.mean(0) / self.groups
        return between / self.questions

    @property
    def squared_norm(self) -> torch.Tensor:
        """Squared norm per block without its noise, (B,)."""
        raw = self.layout.block_dots(self.mean, self.mean)
        return raw - self.rollout_variance / self.groups


class FoldMeans:
    """Mean gradients of F = min(K, MAX_FOLDS) folds of the groups, group k in fold k mod F.

    They serve standard errors only and are kept in float32, F P numbers.
    """

    def __init__(self, layout: Layout, groups: int):
        folds = min(groups, MAX_FOLDS)
        self._sums = torch.zeros(folds, layout.total, device=layout.device)
        self._counts = [0] * folds

    def add(self, group: int, vector: torch.Tensor) -> None:
        """Take in g_qk (P,) of group number ``group``."""
        fold = group % len(self._counts)
        self._sums[fold] += vector
        self._counts[fold] += 1

    @property
    def _scale(self) -> torch.Tensor:
        return 1.0 / torch.tensor(self._counts, dtype=DTYPE)

    def projections(self, vector: torch.Tensor) -> torch.Tensor:
        """Inner product of each fold's mean with a vector (P,); (F,)."""
        found = torch.stack([torch.dot(row.to(DTYPE), vector) for row in self._sums])
        return found.cpu() * self._scale

    def gram(self) -> torch.Tensor:
        """Inner products of the folds' means, (F, F)."""
        rows = [self.projections(row.to(DTYPE)) for row in self._sums]
        return torch.stack(rows) * self._scale.unsqueeze(-1)


@dataclass
class WeightMass:
    """Streamed sums over tokens of |w|, the weight of grad log pi_theta.

    Attributes:
        total: sum of |w|.
        squares: sum of w^2.
        tokens: number of tokens, including those of weight 0.
        largest: max |w|.
    """

    total: float = 0.0
    squares: float = 0.0
    tokens: int = 0
    largest: float = 0.0

    def add(self, weights: torch.Tensor) -> None:
        """Take in the weights of some tokens, in any shape and without padding."""
        weights = weights.detach().to(DTYPE).abs()
        self.total += weights.sum().item()
        self.squares += weights.square().sum().item()
        self.tokens += weights.numel()
        if weights.numel():
            self.largest = max(self.largest, weights.max().item())

    @property
    def effective_sample_size(self) -> float:
        """(sum |w|)^2 / sum w^2 in tokens; 0 if every weight is 0."""
        return self.total**2 / self.squares if self.squares > 0 else 0.0


def cosine(dot: float, left_squared: float, right_squared: float) -> float | None:
    """dot / sqrt(left_squared * right_squared), or None if a squared norm is not positive.

    If the three are unbiased estimates, their noise may take the cosine out of [-1, 1].
    """
    if left_squared <= 0 or right_squared <= 0:
        return None
    return dot / math.sqrt(left_squared * right_squared)


def paired_difference(left: torch.Tensor, right: torch.Tensor) -> tuple[float, float]:
    """Mean of left - right over questions, and its standard error; both are (Q,), with Q > 1."""
    difference = left - right
    error = difference.std(correction=1).item() / math.sqrt(len(difference))
    return difference.mean().item(), error


def leave_one_out_means(values: torch.Tensor) -> torch.Tensor:
    """The mean of all values but one, for each value, (F,)."""
    return (values.sum() - values) / (len(values) - 1)


def leave_one_out_squares(gram: torch.Tensor) -> torch.Tensor:
    """Squared norm of the mean of independent vectors, with one vector left out at a time, (F,).

    It is unbiased, because it is the mean inner product of two different vectors: no noise is multiplied with itself.

    Args:
        gram: (F, F) inner products, F >= 3.
    """
    others = gram.sum() - gram.diagonal().sum() - 2 * (gram.sum(-1) - gram.diagonal())
    rest = len(gram) - 1
    return others / (rest * (rest - 1))


def jackknife_error(*estimates: torch.Tensor) -> float:
    """Standard error from leave-one-out estimates; one tensor (F,) per independent source of noise."""
    squares = 0.0
    for each in estimates:
        size = len(each)
        squares += (size - 1) / size * (each - each.mean()).square().sum().item()
    return math.sqrt(squares)
