# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a diagnosis reports: plain numbers, ready for JSON. The module ``estimate`` defines them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PolicyGap:
    """How far the model is from the policy that sampled, over the pool's tokens.

    Attributes:
        mean: mean of log pi_old - log pi_theta, in nats per token; it estimates KL(pi_old || pi_theta).
        mean_absolute: mean magnitude of the same difference.
        largest: largest magnitude.
        outside_clip: share of tokens with pi_theta / pi_old further than ``CLIP_RATIO`` from 1.
        sequence: mean over rollouts of the sum over tokens, in nats per rollout.
    """

    mean: float
    mean_absolute: float
    largest: float
    outside_clip: float
    sequence: float


@dataclass(frozen=True)
class Folds:
    """Numbers of an entry with one fold of groups left out, one number per fold.

    Attributes:
        squared_norm: squared norm of the mean gradient, without a fold of the entry's groups.
        cosine: cosine without a fold of the entry's groups.
        cosine_reference: cosine without a fold of the reference's groups.
    """

    squared_norm: list[float]
    cosine: list[float]
    cosine_reference: list[float]


@dataclass
class Entry:
    """What was measured for one variant. A float is None where the data do not resolve it.

    Attributes:
        label, entry, advantage, rows, params: see ``Variant``.
        norm: norm of the mean gradient, the square root of ``squared_norm``.
        squared_norm: squared norm with its noise subtracted. If it is negative, the gradient is lost in its noise.
        variance_rollouts: variance of a step on these questions with fresh rollouts.
        variance_questions: what fresh questions add to that variance.
        relative_rollouts, relative_questions: both variances over ``squared_norm``.
        blocks: block -> squared_norm, variance_rollouts, variance_questions.
        cosine: cosine between the mean gradient and the reference, noise subtracted from both norms. It may exceed 1
            by noise.
        cosine_error: standard error of the cosine from the groups' noise and the reference's noise. It is a jackknife
            over folds of either and needs three folds. Questions are taken as fixed. The error is conservative (Efron
            and Stein 1981), above all near +-1, where the noise cancels to first order. There it was two to three
            times too large in a trial.
        step_cosine: expected cosine of a single step on these questions, with its noise.
        slope: mean gradient along the reference, over the reference's squared norm. It is the factor by which an
            unbiased estimator's scale differs from that of the objective.
        slope_error: standard error of the slope, computed like ``cosine_error``.
        folds: input for jackknife differences of entries; None like ``cosine_error``.
        effective_sample_size: (sum |w|)^2 / sum w^2 in tokens. The sums run over all response tokens of all groups, or
            over the demonstrations, once per group. The weight w = coefficient * pi_theta * denominator is the factor
            of grad log pi_theta in the step's gradient.
        tokens: number of tokens in these sums.
        ess_share: effective_sample_size / tokens.
        largest_weight: largest |w| over the mean |w|.
        stabilised: share of tokens with 1_stable != 1.
        variance_per_question: V_q, the variance over groups of g_q, per question.
        weight_per_question: sum of |w| per question.
    """

    label: str
    entry: str
    advantage: str
    rows: str
    params: dict
    norm: float | None
    squared_norm: float
    variance_rollouts: float
    variance_questions: float | None
    relative_rollouts: float | None
    relative_questions: float | None
    blocks: dict[str, dict[str, float | None]]
    effective_sample_size: float
    tokens: int
    ess_share: float
    largest_weight: float | None
    stabilised: float
    variance_per_question: list[float]
    weight_per_question: list[float]
    cosine: float | None = None
    cosine_error: float | None = None
    step_cosine: float | None = None
    slope: float | None = None
    slope_error: float | None = None
    folds: Folds | None = None

    @property
    def relative_total(self) -> float | None:
        """Variance over rollouts and questions together, relative to the squared norm."""
        if self.relative_rollouts is None or self.relative_questions is None:
            return None
        return self.relative_rollouts + self.relative_questions


@dataclass
class Diagnosis:
    """All entries on one pool of rollouts.

    Attributes:
        questions: Q.
        groups: K per question.
        group_size: n.
        max_response_length: L_max.
        accuracy: mean score of each question's pool.
        gap: distance from the policy that sampled; None if the model itself sampled.
        entries: label -> entry, in the order asked for.
        not_applicable: label -> reason.
        reference_norm, reference_reliability, reference_groups: norm, reliability and groups of the ``Reference``;
            None, None and 0 if there is none.
    """

    questions: int
    groups: int
    group_size: int
    max_response_length: int
    accuracy: list[float]
    gap: PolicyGap | None
    entries: dict[str, Entry]
    not_applicable: dict[str, str] = field(default_factory=dict)
    reference_norm: float | None = None
    reference_reliability: float | None = None
    reference_groups: int = 0
