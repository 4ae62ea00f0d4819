# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from hpt.data.counts import Rejected
from hpt.data.thinking import BAD_TAGS, NO_ANSWER, with_thinking

WHOLE = "<think>\nLet me see.\n</think>\n\nIt is \\boxed{2}."


@pytest.mark.parametrize(
    "solution, kept",
    [
        (WHOLE, WHOLE),
        ("  \n" + WHOLE + "\n", WHOLE),
        # Only the opening tag is missing: the prompt may have ended with it.
        ("Let me see.\n</think>\n\nIt is \\boxed{2}.", WHOLE),
        ("It is \\boxed{2}.", "It is \\boxed{2}."),
    ],
)
def test_keep(solution, kept):
    assert with_thinking(solution, "keep") == kept


def test_strip_takes_the_tags_and_leaves_the_reasoning():
    assert with_thinking(WHOLE, "strip") == "Let me see.\n\nIt is \\boxed{2}."
    assert with_thinking("It is 2.", "strip") == "It is 2."
    assert with_thinking("<think></think>It is 2.", "strip") == "It is 2."


@pytest.mark.parametrize(
    "solution, reason",
    [
        ("<think>\ncut off in the middle", BAD_TAGS),
        ("First <think>then</think> so", BAD_TAGS),
        ("<think>a</think>b<think>c</think>d", BAD_TAGS),
        ("<think><think>a</think>b", BAD_TAGS),
        ("</think><think>b", BAD_TAGS),
        ("a</think>b</think>c", BAD_TAGS),
        ("<think>a</think> \n", NO_ANSWER),
        ("a</think>", NO_ANSWER),
    ],
)
@pytest.mark.parametrize("policy", ["keep", "strip"])
def test_anything_else_is_rejected(solution, reason, policy):
    with pytest.raises(Rejected) as error:
        with_thinking(solution, policy)
    assert error.value.reason == reason
