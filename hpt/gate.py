# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The gate: from the scores of a question's rollouts to the weights of its two losses.

Pure functions (arXiv 2509.04419, Section 3.2 and Algorithm 1): P is the mean verifier score of a
question's rollouts, and a feedback function maps it to (alpha, beta), the coefficients of the
RL and the SFT term.
"""

from collections.abc import Callable, Sequence

# P is a mean of n scores and gamma a number typed by a user: 3 of 8 has to pass gamma=0.375 and
# 1 of 3 gamma=0.333333, whatever the last bits say.
TOLERANCE = 1e-6

Feedback = Callable[[float], tuple[float, float]]


def mean_score(scores: Sequence[float]) -> float:
    """P, the mean score of a question's rollouts.

    Args:
        scores: verifier scores of the n rollouts, each in [0, 1].

    Raises:
        ValueError: no scores, or one outside [0, 1] (a gate on accuracy has no meaning there).
    """
    if not scores:
        raise ValueError("a question without rollouts has no mean score; expected n >= 1 scores")
    outside = [score for score in scores if not 0.0 <= score <= 1.0]
    if outside:
        raise ValueError(
            f"got a rollout score of {outside[0]}; the gate compares the mean score with gamma in [0, 1]: "
            "make the reward function return scores in [0, 1]"
        )
    return sum(scores) / len(scores)


def switch(gamma: float) -> Feedback:
    """HPT's switch: SFT where P <= gamma, RL elsewhere (Algorithm 1).

    Args:
        gamma: mean rollout accuracy at or below which a question goes to SFT, in [0, 1].

    Returns:
        A feedback function P -> (alpha, beta): (0, 1) or (1, 0).
    """
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"got gamma={gamma}; expected a mean rollout accuracy in [0, 1]")

    def feedback(mean: float) -> tuple[float, float]:
        return (0.0, 1.0) if mean <= gamma + TOLERANCE else (1.0, 0.0)

    return feedback
