# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Run an evaluation, from settings to tables."""

import sys

from hpt.common.exit import interrupted_by_term
from hpt.evaluation.manifest import locked, write_questions
from hpt.evaluation.outputs import places, write_outputs
from hpt.evaluation.plan import Plan, prepare
from hpt.evaluation.settings import EvaluationSettings


def evaluate(settings: EvaluationSettings, dry_run: bool = False) -> None:
    """Generate the missing samples and write the results. An interrupted evaluation continues from what is on disk.

    Args:
        dry_run: only check.

    Raises:
        ValueError: see :func:`hpt.evaluation.plan.prepare`.
        hpt.evaluation.worker.GenerationError: no engine starts, or none is left; finished samples are kept.
        KeyboardInterrupt: Ctrl-C, or a TERM signal.
    """
    plan = prepare(settings)
    print(plan.described(), flush=True)
    if dry_run:
        print("dry run: settings, model, benchmarks and folder are valid; nothing was started")
        return
    with locked(plan.out), interrupted_by_term():
        # Plan again under the lock: another launch may have ended in between.
        plan = prepare(settings, check_gold=False)
        record(plan)
        if any(not part.store.complete(part.n) for part in plan.parts):
            from hpt.evaluation.launch import generate

            generate(plan)
        for part in plan.parts:
            part.store.finish(part.n)
        print(write_outputs(plan.out, settings.bootstrap_resamples))
    print(*places(plan.out), sep="\n")


def record(plan: Plan) -> None:
    """Record questions and settings before the first sample."""
    for part in plan.parts:
        write_questions(plan.out, part.benchmark)
        if part.store.cut_short:
            print(f"repaired: {part.store.cut_short}", file=sys.stderr)
    plan.manifest.save(plan.out)
