# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The one rule for ``<think>`` tags in gold solutions.

A usable solution has no tag at all, or one pair that opens at its very beginning and is followed by an answer. Where
only the opening tag is missing (chat templates often write it into the prompt) it is put back. Anything else is dropped.
"""

from hpt.data.counts import Rejected

OPEN, CLOSE = "<think>", "</think>"
POLICIES = ("keep", "strip")
BAD_TAGS = "think tags other than one pair at the beginning"
NO_ANSWER = "nothing after </think>"


def with_thinking(solution: str, policy: str = "keep") -> str:
    """The solution as the rule has it.

    Args:
        solution: text of the gold solution.
        policy: ``keep`` leaves the pair where it is; ``strip`` takes the two tags out, the reasoning stays.

    Raises:
        Rejected: the tags do not follow the rule.
    """
    assert policy in POLICIES
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
    if policy == "keep":
        return text
    return f"{reasoning.strip()}\n\n{answer.strip()}".strip()
