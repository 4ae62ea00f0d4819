# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of a diagnosis: questions stream past, and each variant keeps its statistics."""

from collections.abc import Callable, Iterable, Sequence

import torch

from hpt.method.estimator.surrogate import token_stabilisation
from recipe.hpt.reproduction.diagnose.gradients import RowGradients, layout_of, token_weights
from recipe.hpt.reproduction.diagnose.questions import Question, Rollouts, padded
from recipe.hpt.reproduction.diagnose.statistics import (
    DTYPE,
    FoldMeans,
    Layout,
    NestedMoments,
    WeightMass,
    Welford,
)
from recipe.hpt.reproduction.diagnose.variants import Variant

Progress = Callable[[Iterable, str], Iterable]


def no_progress(items: Iterable, label: str) -> Iterable:
    """A progress bar that shows nothing: the items as they are."""
    return items


class Track:
    """The statistics of one variant while questions stream past; see ``run``."""

    def __init__(self, layout: Layout, groups: int):
        self.layout = layout
        self.moments = NestedMoments(layout)
        self.folds = FoldMeans(layout, groups)
        self.mass = WeightMass()
        self.stabilised = 0
        self.weight_per_question: list[float] = []
        self._groups = Welford(layout)

    def add_group(self, gradient: torch.Tensor, weights: torch.Tensor, factor: torch.Tensor) -> None:
        """Take in g_qk (P,), and the weights and 1_stable of its tokens, in one shape."""
        self.folds.add(self._groups.count, gradient)
        self._groups.add(gradient)
        self.mass.add(weights)
        self.stabilised += int((factor != 1).sum())

    def end_question(self) -> None:
        """Close the current question: the next group belongs to another one."""
        self.moments.add(self._groups)
        self._groups = Welford(self.layout)
        self.weight_per_question.append(self.mass.total - sum(self.weight_per_question))


def groups_of(pool: Rollouts, size: int) -> list[Rollouts]:
    """Disjoint groups of ``size`` rollouts. The remainder at the end is not used."""
    starts = range(0, len(pool.responses) - size + 1, size)
    return [pool.part(start, start + size) for start in starts]


def old_log_prob(rollouts: Rollouts, log_prob: torch.Tensor) -> torch.Tensor:
    """log pi_old of the rollouts' tokens: as given, or the model's own; (n, T) like ``log_prob``, in float64."""
    if rollouts.log_probs is None:
        return log_prob.detach().to(DTYPE)
    return padded(rollouts.log_probs, log_prob)


def _add_group(track: Track, variant: Variant, rows: RowGradients, group: Rollouts, denominator: float) -> None:
    """Add one group's gradient and weights to the variant's track."""
    log_prob, mask = rows.log_prob.detach().to(DTYPE), rows.mask
    on_rollouts = not variant.rule.on_demonstrations
    old = old_log_prob(group, log_prob) if on_rollouts else log_prob
    scored = group.group(log_prob, with_values=on_rollouts)
    advantages = variant.rule.compute(scored).expand(log_prob.shape)
    inputs = (log_prob, old, advantages, mask)
    weights = token_weights(variant.entry, *inputs, **variant.params) / denominator
    factor = token_stabilisation(variant.entry, *inputs, **variant.params)
    # A unanimous group costs no backward pass: its gradient is exactly 0.
    gradient = rows.gradient(weights) if weights.any() else track.layout.zeros()
    track.add_group(gradient, weights[mask], factor[mask])


def _add_question(
    model,
    question: Question,
    variants: Sequence[Variant],
    tracks: Sequence[Track],
    group_size: int,
    rollout_denominator: float,
) -> None:
    demonstration = question.demonstration or ()
    on_demonstration = RowGradients(model, question.prompt, [demonstration])
    for group in groups_of(question.pool, group_size):
        on_rollouts = RowGradients(model, question.prompt, group.responses)
        for track, variant in zip(tracks, variants, strict=True):
            if variant.rule.on_demonstrations:
                _add_group(track, variant, on_demonstration, group, float(len(demonstration)))
            else:
                _add_group(track, variant, on_rollouts, group, rollout_denominator)
    for track in tracks:
        track.end_question()


def run(
    model,
    questions: Sequence[Question],
    variants: Sequence[Variant],
    group_size: int,
    rollout_denominator: float,
    progress: Progress,
    label: str,
) -> list[Track]:
    """The statistics of each variant over all groups of all questions.

    Args:
        model: a Hugging Face causal language model.
        questions: questions with pools of equal size.
        variants: what to measure; the result has the same order.
        group_size: n.
        rollout_denominator: divides the weight of every rollout token.
        progress, label: see ``no_progress``.
    """
    layout = layout_of(model)
    groups = len(questions[0].pool.responses) // group_size
    tracks = [Track(layout, groups) for _ in variants]
    for question in progress(questions, label):
        _add_question(model, question, variants, tracks, group_size, rollout_denominator)
    return tracks
