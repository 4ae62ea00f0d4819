# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Multiple-choice questions: the choices are lines under the question, the answer is a letter."""

import random
from collections.abc import Sequence

from hpt.verifier.choice import LETTERS

INSTRUCTION = r"Put the letter of your answer within \boxed{}."


def with_choices(question: str, choices: Sequence[str]) -> str:
    """The question, and below it one line ``A. ...`` per choice.

    Raises:
        ValueError: there are fewer than two choices, more choices than letters, or an empty choice.
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"got {len(choices)} choices; expected 2 to {len(LETTERS)}")
    if any(not isinstance(choice, str) or not choice.strip() for choice in choices):
        raise ValueError("got an empty choice; expected text")
    lines = [f"{letter}. {choice.strip()}" for letter, choice in zip(LETTERS, choices, strict=False)]
    return "\n".join([question.strip(), "", *lines])


def shuffled(choices: Sequence[str], question_id: str) -> list[int]:
    """An order of the choices that depends on the question's id alone.

    Returns:
        Positions in ``choices``, in the order in which they are shown.
    """
    order = list(range(len(choices)))
    # A string seeds random.Random through SHA-512: the same order in every process.
    random.Random(f"choices/{question_id}").shuffle(order)
    return order


def letter_of(label: object, labels: Sequence[object]) -> str:
    """The letter of the choice with the source's label ``label``; the source may count A to D or 1 to 4.

    Raises:
        ValueError: no choice has this label, or several have.
    """
    found = [position for position, each in enumerate(labels) if str(each) == str(label)]
    if len(found) != 1:
        raise ValueError(f"the answer {label!r} is not one of the labels {', '.join(map(str, labels))}")
    return LETTERS[found[0]]
