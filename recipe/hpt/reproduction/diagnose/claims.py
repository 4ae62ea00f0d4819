# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Compare what the paper argues about the four parts (arXiv 2509.04419, Section 3) with the measurements.

The paper gives no measurements. Each claim is tested on the same rollouts, with two variants that differ only in the
part in question. A difference counts if it exceeds ``SIGNIFICANT`` standard errors. Variances over questions have no
standard error; there a difference counts from ``MATERIAL`` on.
"""

import math
from dataclasses import dataclass

import torch

from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry
from recipe.hpt.reproduction.diagnose.statistics import DTYPE, jackknife_error, paired_difference
from recipe.hpt.reproduction.diagnose.variants import (
    CLIPPED,
    GRPO,
    PI_OLD,
    PI_ONE,
    PI_THETA,
    PI_THETA_ON_DEMONSTRATIONS,
    REINFORCE,
    STD,
    Variant,
)

SIGNIFICANT = 2.0
MATERIAL = 0.1
"""Relative difference of two variances; a judgement, not an error estimate."""
IDENTICAL = 1e-6
"""Variances that agree this closely come from the same computation."""
LARGEST_SLOPE_ERROR = 0.25
"""A slope with a larger error says nothing about bias."""
HEAVILY_BIASED = 0.5
"""At a cosine below this, more than three quarters of the gradient's square point elsewhere."""
MEDIUM = (0.25, 0.75)
"""A question whose mean score is below this range is hard, one above it is easy."""
HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved"


@dataclass(frozen=True)
class Claim:
    """One line of the comparison.

    Attributes:
        argument: what the paper argues.
        measured: the numbers.
        verdict: `holds`, `does not hold`, or `not resolved` (by these data).
    """

    argument: str
    measured: str
    verdict: str


def claims(on_policy: Diagnosis, off_policy: Diagnosis) -> list[Claim]:
    """The paper's arguments, each with its numbers and its verdict.

    Args:
        on_policy: a diagnosis with ``CONTRASTS`` and a reference, on rollouts of the model itself.
        off_policy: the same on rollouts of another policy.

    Returns:
        The claims whose variants were measured and stand out from their noise.
    """
    tests = (
        (_unbiased, on_policy, (PI_THETA,)),
        (_corrected, off_policy, (PI_OLD, PI_THETA)),
        (_same_on_policy, on_policy, (PI_OLD, PI_THETA)),
        (_lower_variance, off_policy, (PI_OLD, PI_THETA)),
        (_lower_relative_variance, off_policy, (PI_OLD, PI_THETA)),
        (_as_published, on_policy, (GRPO, REINFORCE)),
        (_stable, on_policy, (PI_ONE, PI_THETA_ON_DEMONSTRATIONS)),
        (_heavily_biased, on_policy, (PI_ONE, PI_THETA_ON_DEMONSTRATIONS)),
        (_biased_by_reference, on_policy, (PI_ONE, PI_THETA_ON_DEMONSTRATIONS)),
        (_clip_absolute, off_policy, (CLIPPED, PI_OLD)),
        (_clip_relative, off_policy, (CLIPPED, PI_OLD)),
        (_clip_biased, off_policy, (CLIPPED, PI_OLD)),
        (_difficulty, on_policy, (STD, PI_OLD)),
        (_std_biased, on_policy, (STD, PI_OLD)),
    )
    found = []
    for test, diagnosis, variants in tests:
        entries = _measured(diagnosis, variants)
        if entries is not None:
            found.append(test(diagnosis, *entries))
    return found


def _measured(diagnosis: Diagnosis, variants: tuple[Variant, ...]) -> list[Entry] | None:
    entries = [diagnosis.entries.get(each.label) for each in variants]
    found = [each for each in entries if each is not None and each.folds is not None]
    return found if len(found) == len(variants) else None


def _verdict(difference: float, error: float) -> str:
    """The verdict on the claim that the difference is negative."""
    if abs(difference) <= SIGNIFICANT * error or not math.isfinite(error):
        return OPEN
    return HOLDS if difference < 0 else FAILS


# ---- 1 / pi_theta and 1 / pi_old ----


def _unbiased(diagnosis: Diagnosis, entry: Entry) -> Claim:
    """R - mean shrinks the gradient by (n - 1) / n, and L_max divides it. Nothing else may change its scale."""
    n, longest = diagnosis.group_size, diagnosis.max_response_length
    expected = (n - 1) / (n * longest)
    assert entry.slope is not None and entry.slope_error is not None
    ratio = entry.slope / expected
    error = entry.slope_error / expected
    verdict = FAILS if abs(ratio - 1) > SIGNIFICANT * error else HOLDS
    return Claim(
        "1/pi_theta is unbiased on rollouts of pi_theta",
        f"scale against the objective's gradient {ratio:.2f} +- {error:.2f} (unbiased: 1), "
        f"cosine {_number(entry.cosine)}",
        verdict if error <= LARGEST_SLOPE_ERROR else OPEN,
    )


def _corrected(diagnosis: Diagnosis, old: Entry, theta: Entry) -> Claim:
    difference, error = _cosine_difference(theta, old)
    return Claim(
        "on rollouts of pi_old, 1/pi_old is less biased than 1/pi_theta",
        f"cosine {_number(old.cosine)} against {_number(theta.cosine)}, difference {-difference:+.3f} +- {error:.3f}",
        _verdict(difference, error),
    )


def _same_on_policy(diagnosis: Diagnosis, old: Entry, theta: Entry) -> Claim:
    note = "pi_old is pi_theta there"
    return _less_variance("1/pi_old has lower variance than 1/pi_theta, on-policy", old, theta, note)


def _lower_variance(diagnosis: Diagnosis, old: Entry, theta: Entry) -> Claim:
    return _less_variance("1/pi_old has lower variance than 1/pi_theta, off-policy", old, theta)


def _lower_relative_variance(diagnosis: Diagnosis, old: Entry, theta: Entry) -> Claim:
    return _less_relative_variance("the same, relative to the squared norm", old, theta)


def _as_published(diagnosis: Diagnosis, grpo: Entry, reinforce: Entry) -> Claim:
    """This pair differs in the advantage as well. A reader of Table 1 would compare it."""
    argument = "as published, grpo has lower relative variance than reinforce, on-policy"
    return _less_relative_variance(argument, grpo, reinforce)


# ---- pi_ref = 1 ----


def _stable(diagnosis: Diagnosis, one: Entry, theta: Entry) -> Claim:
    left, right = one.relative_total, theta.relative_total
    verdict = OPEN
    if left is not None and right is not None and abs(left / right - 1) > MATERIAL:
        verdict = HOLDS if left < right else FAILS
    return Claim(
        "pi_ref = 1 is stable: lower variance than pi_theta on the same demonstrations",
        f"relative variance over rollouts and questions {_number(left)} against {_number(right)}",
        verdict,
    )


def _heavily_biased(diagnosis: Diagnosis, one: Entry, theta: Entry) -> Claim:
    assert one.cosine is not None and one.cosine_error is not None
    return Claim(
        f"pi_ref = 1 is heavily biased (cosine below {HEAVILY_BIASED})",
        f"cosine {one.cosine:.3f} +- {one.cosine_error:.3f}",
        _verdict(one.cosine - HEAVILY_BIASED, one.cosine_error),
    )


def _biased_by_reference(diagnosis: Diagnosis, one: Entry, theta: Entry) -> Claim:
    difference, error = _cosine_difference(one, theta)
    return Claim(
        "that bias is due to pi_ref = 1: pi_theta on the same demonstrations has less",
        f"cosine {_number(one.cosine)} against {_number(theta.cosine)}, difference {difference:+.3f} +- {error:.3f}",
        _verdict(difference, error),
    )


# ---- clipping ----


def _clip_absolute(diagnosis: Diagnosis, clipped: Entry, plain: Entry) -> Claim:
    stopped = f"{clipped.stabilised:.1%} of the tokens stopped"
    return _less_variance("clipping lowers variance", clipped, plain, stopped)


def _clip_relative(diagnosis: Diagnosis, clipped: Entry, plain: Entry) -> Claim:
    return _less_relative_variance("the same, relative to the squared norm", clipped, plain)


def _clip_biased(diagnosis: Diagnosis, clipped: Entry, plain: Entry) -> Claim:
    return _less_aligned(diagnosis, "clipping adds bias", clipped, plain)


# ---- division by the deviation ----


def _difficulty(diagnosis: Diagnosis, normalised: Entry, plain: Entry) -> Claim:
    left, right = _extreme_share(normalised, diagnosis), _extreme_share(plain, diagnosis)
    low, high = MEDIUM
    return Claim(
        "dividing by std adds a difficulty bias: more weight on easy and hard questions",
        f"{left:.1%} of the weight on questions with mean score below {low} or above {high}, without std {right:.1%}",
        OPEN if left == right else HOLDS if left > right else FAILS,
    )


def _std_biased(diagnosis: Diagnosis, normalised: Entry, plain: Entry) -> Claim:
    return _less_aligned(diagnosis, "dividing by std adds bias", normalised, plain)


# ---- what the claims share ----


def _less_variance(argument: str, left: Entry, right: Entry, note: str = "") -> Claim:
    """Compare absolute variances, for two entries with the same advantages and denominators."""
    pair = (left.variance_rollouts, right.variance_rollouts)
    difference, error = paired_difference(_variances(left, 1.0), _variances(right, 1.0))
    measured = f"variance {pair[0]:.2e} against {pair[1]:.2e}, difference {difference:+.1e} +- {error:.1e}"
    same = math.isclose(*pair, rel_tol=IDENTICAL)
    return Claim(
        argument,
        f"{measured}; {note}" if note else measured,
        FAILS if same else _verdict(difference, error),
    )


def _less_relative_variance(argument: str, left: Entry, right: Entry) -> Claim:
    difference, error = _relative_difference(left, right)
    return Claim(
        argument,
        f"relative variance {_number(left.relative_rollouts)} against {_number(right.relative_rollouts)}, "
        f"difference {difference:+.2f} +- {error:.2f}",
        _verdict(difference, error),
    )


def _less_aligned(diagnosis: Diagnosis, argument: str, left: Entry, right: Entry) -> Claim:
    difference, error = _cosine_difference(left, right)
    return Claim(
        argument,
        f"cosine {_number(left.cosine)} against {_number(right.cosine)}, difference {difference:+.3f} +- {error:.3f}",
        _verdict(difference, error),
    )


def _number(value: float | None) -> str:
    return "unresolved" if value is None else f"{value:.3g}"


def _variances(entry: Entry, over: float) -> torch.Tensor:
    """V_q of a step's gradient over a squared norm, (Q,)."""
    values = torch.tensor(entry.variance_per_question, dtype=DTYPE)
    return values / (len(values) * over)


def _relative_difference(left: Entry, right: Entry) -> tuple[float, float]:
    """Difference of the relative variances over rollouts, and its standard error.

    Two sources of noise are taken as independent. The variances are paired over questions with the norms as known, and
    the norms are paired over folds with the variances as known.
    """
    pairs = (_variances(each, each.squared_norm) for each in (left, right))
    difference, of_variances = paired_difference(*pairs)
    by_fold = []
    for each in (left, right):
        assert each.folds is not None
        squared_norms = torch.tensor(each.folds.squared_norm, dtype=DTYPE)
        by_fold.append(each.variance_rollouts / squared_norms)
    return difference, math.hypot(of_variances, jackknife_error(by_fold[0] - by_fold[1]))


def _cosine_difference(left: Entry, right: Entry) -> tuple[float, float]:
    """cosine(left) - cosine(right) and its standard error, paired by folds of the groups and of the reference."""
    assert left.folds is not None and right.folds is not None
    assert left.cosine is not None and right.cosine is not None

    def differences(a: list[float], b: list[float]) -> torch.Tensor:
        return torch.tensor(a, dtype=DTYPE) - torch.tensor(b, dtype=DTYPE)

    error = jackknife_error(
        differences(left.folds.cosine, right.folds.cosine),
        differences(left.folds.cosine_reference, right.folds.cosine_reference),
    )
    return left.cosine - right.cosine, error


def _extreme_share(entry: Entry, diagnosis: Diagnosis) -> float:
    """Share of the weight that falls on questions with a mean score outside ``MEDIUM``."""
    low, high = MEDIUM
    total = sum(entry.weight_per_question)
    pairs = zip(entry.weight_per_question, diagnosis.accuracy, strict=True)
    extreme = sum(weight for weight, mean in pairs if not low <= mean <= high)
    return extreme / total if total > 0 else 0.0
