# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Norm, variance, direction and effective sample size of each entry: how good are the estimators?

The estimand. One optimizer step of a model on Q questions, with one group of n rollouts and one demonstration each,
moves it along

    g = (1 / Q) sum_q g_q,    g_q = sum over tokens of weight * coefficient * grad pi_theta

with the library's denominators (:mod:`hpt.method.routing`, whose N is Q here):

    rollout token         1 / (n * L_max)     for every entry on rollouts. GRPO's own mean over each row's
                                              tokens is not applied: entries differ in their parts only
    demonstration token   1 / |tau*|          for every entry on demonstrations: mean over its tokens

M rollouts per question are drawn and cut into K = M // n disjoint groups, which are independent. There is no bootstrap:
drawing with replacement would put the same rollout into a group twice. This changes the group's mean and deviation,
which group-relative advantages are made of. The remainder of M is unused.

The objective is expected reward, J = (1 / Q) sum_q E_{pi_theta}[R]. Its gradient is estimated from rollouts of the
model itself by REINFORCE. The baseline is the mean of the group's *other* rollouts, which makes it unbiased:
sum_i (R_i - mean_{-i}) grad log pi_theta(tau_i) / n over many groups.

Variances are traces over a block's parameters. Their absolute values depend on an entry's scale (L_max; std). So they
are given relative to the squared norm of the mean gradient as well. This noise-to-signal ratio of a step does not
change with a constant factor. The variance of the mean is subtracted from squared norms (``NestedMoments``), also from
those in cosines. So noise alone neither raises a norm nor lowers a cosine.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hpt.common.errors import ConfigError
from hpt.method.estimator.parts import CLIP_RATIO
from recipe.hpt.reproduction.diagnose.gradients import evaluation_mode, response_log_probs
from recipe.hpt.reproduction.diagnose.questions import Question, check
from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry, Folds, PolicyGap
from recipe.hpt.reproduction.diagnose.statistics import (
    FoldMeans,
    NestedMoments,
    cosine,
    jackknife_error,
    leave_one_out_means,
    leave_one_out_squares,
)
from recipe.hpt.reproduction.diagnose.stream import Progress, Track, no_progress, old_log_prob, run
from recipe.hpt.reproduction.diagnose.variants import PI_THETA, Variant, applicable, choose


@dataclass(frozen=True)
class Reference:
    """The gradient of expected reward, from rollouts of the model itself.

    Attributes:
        moments: moments of the groups' estimates.
        folds: means of folds of the same groups.
        prompts: the questions it belongs to.
    """

    moments: NestedMoments
    folds: FoldMeans
    prompts: tuple[tuple[int, ...], ...]

    @property
    def direction(self) -> torch.Tensor:
        """The estimated gradient, (P,)."""
        return self.moments.mean

    @property
    def squared_norm(self) -> float:
        """Squared norm of the gradient without the noise of its estimate."""
        return self.moments.squared_norm.sum().item()

    @property
    def reliability(self) -> float | None:
        """Expected cosine between the estimate and the gradient; near 1 is good, None if noise is all there is."""
        raw = self.direction.square().sum().item()
        return cosine(self.squared_norm, raw, self.squared_norm)


def reference_gradient(
    model, questions: Sequence[Question], group_size: int, *, progress: Progress = no_progress
) -> Reference:
    """The gradient of expected reward over these questions, from rollouts that the model sampled.

    Sample separate rollouts for it. A pool that is shared with ``diagnose`` shares its noise with the gradients that
    are compared with it, and their cosines come out too high.

    Args:
        model: a Hugging Face causal language model.
        questions: questions with pools of M rollouts that ``model`` sampled at temperature 1 (``log_probs`` None).
        group_size: n >= 2; a larger group is a little less noisy.
        progress: (items, label) -> items, a progress bar.

    Raises:
        ConfigError: rollouts of another policy, or what ``diagnose`` refuses.
    """
    check(questions, group_size)
    if any(each.pool.log_probs is not None for each in questions):
        raise ConfigError(
            "got rollouts with log_probs of another policy; the reference needs rollouts that the "
            "model itself sampled, without log_probs"
        )
    # R - mean is (n - 1) / n of R - mean of the others.
    denominator = float(group_size - 1)
    with evaluation_mode(model):
        tracks = run(model, questions, [PI_THETA], group_size, denominator, progress, "reference")
    return Reference(tracks[0].moments, tracks[0].folds, tuple(tuple(each.prompt) for each in questions))


def diagnose(
    model,
    questions: Sequence[Question],
    *,
    group_size: int,
    max_response_length: int,
    algorithms: Sequence[str | Variant] | None = None,
    contrasts: Sequence[Variant] = (),
    reference: Reference | None = None,
    progress: Progress = no_progress,
    label: str = "diagnosis",
) -> Diagnosis:
    """Norm, variance, direction and effective sample size of entries of ``ALGORITHMS``.

    The module's docstring defines the estimand and its denominators. Gradients are taken with respect to the parameters
    that require one. The forward pass is in the model's dtype, sums are in float64.

    Memory besides the model, with P parameters: each entry takes two vectors in float64 and up to ``MAX_FOLDS`` in
    float32, 48 P bytes, and the reference as much again. A backward pass takes P numbers in the model's dtype for each
    entry that is not parallel to another (``RowGradients``). The activations of a group's n rows and of one
    demonstration come on top. Nothing grows with the number of questions or rollouts. Twelve entries of a model of
    0.65 M parameters take 0.4 GB. One entry of a model of 1.5 B takes 72 GB, so train only few parameters of a large
    model (``requires_grad``).

    Args:
        model: a Hugging Face causal language model.
        questions: Q questions, with pools of equal size M >= 2 n.
        group_size: n >= 2, rollouts in a group.
        max_response_length: L_max in tokens, Dr. GRPO's constant denominator.
        algorithms: names of entries, or variants. None stands for every entry that the data allow; the others are
            listed with the reason.
        contrasts: further variants, as far as the data allow them.
        reference: from ``reference_gradient`` on the same model and questions; without it there are no cosines.
        progress: (items, label) -> items, a progress bar.
        label: label of the bar.

    Raises:
        ValueError: an unknown entry; an entry asked for that the data do not allow; n < 2; fewer than two groups of
            rollouts; responses longer than L_max; a reference for other questions.
    """
    check(questions, group_size)
    _check_lengths(questions, max_response_length)
    _check_reference(reference, questions)
    has_demonstrations = questions[0].demonstration is not None
    has_values = questions[0].pool.values is not None
    wanted = choose(algorithms)
    variants, reasons = applicable(choose([*wanted, *contrasts]), has_demonstrations, has_values)
    refused = [each.label for each in wanted if each.label in reasons]
    if algorithms is not None and refused:
        raise ConfigError(f"cannot diagnose '{refused[0]}': {reasons[refused[0]]}")
    denominator = float(group_size * max_response_length)
    with evaluation_mode(model):
        tracks = run(model, questions, variants, group_size, denominator, progress, label)
        gap = policy_gap(model, questions)
    entries = {
        variant.label: _entry(variant, track, reference) for variant, track in zip(variants, tracks, strict=True)
    }
    return Diagnosis(
        questions=len(questions),
        groups=len(questions[0].pool.responses) // group_size,
        group_size=group_size,
        max_response_length=max_response_length,
        accuracy=[sum(each.pool.scores) / len(each.pool.scores) for each in questions],
        gap=gap,
        entries=entries,
        not_applicable=reasons,
        reference_norm=None if reference is None else _root(reference.squared_norm),
        reference_reliability=None if reference is None else reference.reliability,
        reference_groups=0 if reference is None else reference.moments.groups,
    )


def _check_lengths(questions: Sequence[Question], max_response_length: int) -> None:
    longest = max(len(row) for question in questions for row in question.pool.responses)
    if longest > max_response_length:
        raise ConfigError(
            f"got a response of {longest} tokens; expected at most max_response_length = {max_response_length}"
        )


def _check_reference(reference: Reference | None, questions: Sequence[Question]) -> None:
    prompts = tuple(tuple(each.prompt) for each in questions)
    if reference is not None and reference.prompts != prompts:
        raise ConfigError(
            "got a reference gradient for other questions; compute it with reference_gradient on "
            "the same questions in the same order"
        )


@torch.no_grad()
def policy_gap(model, questions: Sequence[Question]) -> PolicyGap | None:
    """Distance of the model from the policy that sampled the pools; None if they are the same."""
    if questions[0].pool.log_probs is None:
        return None
    tokens, sums = [], []
    for question in questions:
        new, mask = response_log_probs(model, question.prompt, question.pool.responses)
        gap = (old_log_prob(question.pool, new) - new) * mask
        tokens.append(gap[mask])
        sums.append(gap.sum(-1))
    gap, sequences = torch.cat(tokens), torch.cat(sums)
    outside = ((-gap).exp() - 1).abs() > CLIP_RATIO
    return PolicyGap(
        mean=gap.mean().item(),
        mean_absolute=gap.abs().mean().item(),
        largest=gap.abs().max().item(),
        outside_clip=outside.double().mean().item(),
        sequence=sequences.mean().item(),
    )


def _root(squared: float) -> float | None:
    return math.sqrt(squared) if squared > 0 else None


def _over(value: float | None, squared_norm: float) -> float | None:
    return None if value is None or squared_norm <= 0 else value / squared_norm


def _total(blocks: torch.Tensor | None) -> float | None:
    return None if blocks is None else blocks.sum().item()


def _entry(variant: Variant, track: Track, reference: Reference | None) -> Entry:
    moments, mass = track.moments, track.mass
    squared_norm = moments.squared_norm.sum().item()
    rollouts, questions = moments.rollout_variance.sum().item(), _total(moments.question_variance)
    mean_weight = mass.total / mass.tokens
    return Entry(
        label=variant.label,
        entry=variant.entry,
        advantage=variant.advantage,
        rows=variant.rows,
        params=dict(variant.params),
        norm=_root(squared_norm),
        squared_norm=squared_norm,
        variance_rollouts=rollouts,
        variance_questions=questions,
        relative_rollouts=_over(rollouts, squared_norm),
        relative_questions=_over(questions, squared_norm),
        blocks=_blocks(moments),
        effective_sample_size=mass.effective_sample_size,
        tokens=mass.tokens,
        ess_share=mass.effective_sample_size / mass.tokens,
        largest_weight=mass.largest / mean_weight if mean_weight > 0 else None,
        stabilised=track.stabilised / mass.tokens,
        variance_per_question=moments.within.sum(-1).tolist(),
        weight_per_question=track.weight_per_question,
        **({} if reference is None else _direction(track, squared_norm, reference)),
    )


def _blocks(moments: NestedMoments) -> dict[str, dict[str, float | None]]:
    names = moments.layout.names
    empty: list[float | None] = [None] * len(names)
    questions = moments.question_variance
    columns = zip(
        moments.squared_norm.tolist(),
        moments.rollout_variance.tolist(),
        empty if questions is None else questions.tolist(),
        strict=True,
    )
    keys = ("squared_norm", "variance_rollouts", "variance_questions")
    return {name: dict(zip(keys, column, strict=True)) for name, column in zip(names, columns, strict=True)}


def _direction(track: Track, squared_norm: float, reference: Reference) -> Mapping:
    """The fields of ``Entry`` that compare the mean gradient with the reference."""
    along = torch.dot(track.moments.mean, reference.direction).item()
    target = reference.squared_norm
    noisy = squared_norm + track.moments.rollout_variance.sum().item()
    fields = {
        "cosine": cosine(along, squared_norm, target),
        "step_cosine": cosine(along, noisy, target) if squared_norm > 0 else None,
        "slope": along / target if target > 0 else None,
    }
    own = track.folds.projections(reference.direction)
    others = reference.folds.projections(track.moments.mean)
    if min(len(own), len(others)) < 3 or squared_norm <= 0 or target <= 0:
        return fields
    return fields | _errors(own, others, squared_norm, target, track.folds, reference.folds)


def _errors(
    own: torch.Tensor,
    others: torch.Tensor,
    squared_norm: float,
    target: float,
    folds: FoldMeans,
    reference_folds: FoldMeans,
) -> dict:
    """Standard errors from leaving out a fold of the entry's groups, and a fold of the reference's groups.

    The two are independent, so their squares add up. If a squared norm is not positive without some fold, no error can
    be trusted, and none is returned.
    """
    squares = leave_one_out_squares(folds.gram())
    targets = leave_one_out_squares(reference_folds.gram())
    if min(squares.min().item(), targets.min().item()) <= 0:
        return {}
    along, turned = leave_one_out_means(own), leave_one_out_means(others)
    cosines = along / (squares * target).sqrt()
    cosines_reference = turned / (squared_norm * targets).sqrt()
    slopes, slopes_reference = along / target, turned / targets
    return {
        "cosine_error": jackknife_error(cosines, cosines_reference),
        "slope_error": jackknife_error(slopes, slopes_reference),
        "folds": Folds(squares.tolist(), cosines.tolist(), cosines_reference.tolist()),
    }
