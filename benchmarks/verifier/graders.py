# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Verifiers by name, as functions of a response and a gold answer. Each runs in a process that can be ended."""

import logging
import time
from collections.abc import Callable

Grader = Callable[[str, str, str], float]
"""(response, gold answer, kind of answer) -> score."""


def ours(response: str, gold: str, kind: str) -> float:
    """hpt.verifier without its pool."""
    from hpt.verifier import Verdict
    from hpt.verifier.judge import examine, judge

    step = examine(response, gold, kind)
    return step.score if isinstance(step, Verdict) else judge(step[0], step[1]).score


def math_verify(response: str, gold: str, kind: str) -> float:
    """math-verify with its own extraction and defaults; a bare gold answer goes into a box."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    reference = parse(gold if "$" in gold else rf"\boxed{{{gold}}}", parsing_timeout=None)
    return float(verify(reference, parse(response, parsing_timeout=None), timeout_seconds=None))


def mathruler(response: str, gold: str, kind: str) -> float:
    """mathruler with its own extraction."""
    from mathruler.grader import extract_boxed_content, grade_answer

    return float(grade_answer(extract_boxed_content(response), gold))


GRADERS: dict[str, Grader] = {"ours": ours, "math-verify": math_verify, "mathruler": mathruler}


def timed(name: str, response: str, gold: str, kind: str) -> tuple[float, float, bool]:
    """(score, seconds, whether it raised) of a grader; a pair on which it raises is refused, as a training would."""
    start, raised = time.perf_counter(), False
    try:
        score = GRADERS[name](response, gold, kind)
    except Exception:
        score, raised = 0.0, True
    return score, time.perf_counter() - start, raised
