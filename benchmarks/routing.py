# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of the routing: hpt.method.routing.route for batches of 1,024, 10,000 and 100,000 rows; no Ray.

A question has 8 rollouts with random scores; half of the questions fail all of them and train on their demonstration.

    python -m benchmarks.routing
"""

import random
import time
from functools import partial

from benchmarks.common import Values, finish, measure, parser, summary
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import terms_of
from hpt.method.routing import Question, route

ROWS = (1_024, 10_000, 100_000)
ROLLOUTS, QUESTIONS_PER_STEP, MAX_RESPONSE_LENGTH, RANKS = 8, 64, 8192, 8


def questions(rows: int) -> list[Question]:
    """Questions with ``rows`` rollouts in all."""
    rng = random.Random(0)
    return [
        Question(
            uid=f"1-{number}",
            rollouts=[f"1-{number}_{rollout}_0" for rollout in range(ROLLOUTS)],
            scores=[float(number % 2 and rng.random() < 0.5) for _ in range(ROLLOUTS)],
            demonstration=range(500),
            lengths=[rng.randrange(1, MAX_RESPONSE_LENGTH) for _ in range(ROLLOUTS)],
        )
        for number in range(rows // ROLLOUTS)
    ]


def routed(batch: list[Question]) -> Values:
    """Route a batch with HPT's defaults."""
    settings = HPTConfig()
    rollouts, demonstrations = terms_of(settings)
    normalization = settings.normalization_with(QUESTIONS_PER_STEP, MAX_RESPONSE_LENGTH, RANKS)
    start = time.perf_counter()
    plan = route(
        batch,
        settings.feedback,
        rollouts=rollouts,
        demonstrations=demonstrations,
        normalization=normalization,
        keep_idle=False,
    )
    seconds = time.perf_counter() - start
    assert plan.sft and plan.rows
    return {"us per row": 1e6 * seconds / (len(batch) * ROLLOUTS), "seconds": seconds}


def main() -> None:
    given = parser(__doc__, repeat=15).parse_args()
    arms = {f"{rows:,} rows": partial(routed, questions(rows)) for rows in ROWS}
    results = measure(arms, given.repeat)
    finish("routing", given.out, summary(results), values=results)


if __name__ == "__main__":
    main()
