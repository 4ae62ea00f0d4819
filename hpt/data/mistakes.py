# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Demonstrations that end wrong: one number of the answer is off, in the box and where the end states the answer.

The reasoning before stays as it is, so the mistake is the last step. Every box with the same content changes with the
final one. In the last part, which is the box's paragraph and the one before it, the answer also changes where it is a
whole formula, the right side of an equation, or what a sentence says it is.
"""

import random
import re
from collections.abc import Iterator

from hpt.verifier.extract import END_OF_THINKING, answer_part, last_boxed

ERRORS = (-10, -2, -1, 1, 2, 10)
"""What a wrong number is off by: slips of a digit."""
TRIES = 12
"""Wrong answers per demonstration; one that looks different may be equal, so a verifier has to see them."""
_NUMBER = re.compile(r"[0-9]+")
_BEFORE = r"((?:=|\$|\\\(|\\\[|\*\*|\b(?:is|are|to|of)\s)\s*)"
_AFTER = r"(?=\s*(?:\$|\\\)|\\\]|\*\*|[.,;!](?:\s|\Z)|\n|\Z))"
_PARAGRAPH = "\n\n"


def wrong_answers(solution: str, seed: str) -> list[str]:
    """Other answers for a demonstration, in an order that the seed decides; none if no number can change.

    Args:
        solution: the demonstration, whose answer is in a box.
        seed: decides which number of the answer is off, and by how much.

    Returns:
        At most `TRIES` contents of the final box. Whether one of them is wrong is for a verifier to say.
    """
    answer = last_boxed(answer_part(solution))
    others = [] if answer is None else list(dict.fromkeys(_other_numbers(answer)))
    random.Random(seed).shuffle(others)
    return others[:TRIES]


def with_answer(solution: str, other: str) -> str:
    """The demonstration with another answer in its boxes and at its end."""
    answer = last_boxed(answer_part(solution))
    assert answer is not None
    box = re.compile(rf"(\\boxed\s*\{{\s*){re.escape(answer)}(?=\s*\}})")
    *_, final = box.finditer(solution)
    own = solution.rfind(_PARAGRAPH, 0, final.start())
    one_before = solution.rfind(_PARAGRAPH, 0, max(own, 0))
    last = max(one_before, solution.rfind(END_OF_THINKING), 0)
    mentions = re.compile(_BEFORE + re.escape(_bare(answer)) + _AFTER)
    end = mentions.sub(lambda found: found[1] + _bare(other), solution[last:])
    return box.sub(lambda found: found[1] + other, solution[:last] + end)


def _bare(answer: str) -> str:
    return answer.strip("$ ")


def _other_numbers(answer: str) -> Iterator[str]:
    """The answer with one number changed. Numbers keep their digits: ``x^9`` must not become ``x^10``."""
    for found in _NUMBER.finditer(answer):
        digits = found[0]
        for error in ERRORS:
            value = int(digits) + error
            other = str(value).zfill(len(digits))
            if value > 0 and len(other) == len(digits) and (other[0] != "0" or digits[0] == "0"):
                yield answer[: found.start()] + other + answer[found.end() :]
