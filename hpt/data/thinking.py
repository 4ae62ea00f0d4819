# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The rule for ``<think>`` tags in demonstrations.

A usable demonstration has no tag, or one pair of tags that opens at its beginning and is followed by an answer. A
missing opening tag is put back, because chat templates often write it into the prompt. Everything else is dropped.
"""

from hpt.data.counts import Rejected

OPEN, CLOSE = "<think>", "</think>"
BAD_TAGS = "think tags other than one pair at the beginning"
NO_ANSWER = "nothing after </think>"


def with_thinking(solution: str, policy: str = "keep") -> str:
    """Apply the rule to a demonstration's text.

    Args:
        solution: the text.
        policy: ``keep`` keeps the pair of tags; ``strip`` removes the two tags and keeps the reasoning.

    Raises:
        Rejected: the tags break the rule.
    """
    assert policy in ("keep", "strip")
    opened, closed = solution.count(OPEN), solution.count(CLOSE)
    text = solution.strip()
    if opened == closed == 0:
        return text
    if (opened, closed) == (0, 1):
        text = f"{OPEN}\n{text}"
    elif (opened, closed) != (1, 1) or not text.startswith(OPEN):
        raise Rejected(BAD_TAGS)
    reasoning, _, answer = text.removeprefix(OPEN).partition(CLOSE)
    if not answer.strip():
        raise Rejected(NO_ANSWER)
    return text if policy == "keep" else f"{reasoning.strip()}\n\n{answer.strip()}".strip()
