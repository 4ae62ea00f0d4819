# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Find the answer in a response, and the bare gold answer, in time linear in the text."""

import re

THINKING, END_OF_THINKING = "<think>", "</think>"
_BOXED = re.compile(r"\\boxed\s*\{")
_MATH_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def extract_answer(response: str) -> str | None:
    r"""The text inside the last ``\boxed{...}``, without math delimiters around it, or None.

    Only the text after the reasoning counts (``answer_part``), so a boxed guess in the reasoning is no answer. If the
    last box is empty, or not closed because the response was truncated, there is no answer either. An earlier complete
    box does not count, because the response went on after it.
    """
    boxed = last_boxed(answer_part(response))
    return None if boxed is None else _without_delimiters(boxed) or None


def answer_part(response: str) -> str:
    """The part of a response that counts: all text after the last ``</think>`` and before an open ``<think>``.

    An open ``<think>`` starts reasoning that was cut off, and an answer in reasoning does not count.
    """
    return response.rpartition(END_OF_THINKING)[2].partition(THINKING)[0]


def normalize_gold(answer: str) -> str:
    r"""The gold answer without ``\boxed{}`` and without the math delimiters around it."""
    boxed = last_boxed(answer)
    return _without_delimiters(answer.strip() if boxed is None else boxed)


def _without_delimiters(text: str) -> str:
    for opening, closing in _MATH_DELIMITERS:
        inner = text[len(opening) : len(text) - len(closing)]
        if len(text) >= len(opening) + len(closing) and text == opening + inner + closing:
            # "$1$ and $2$" opens and closes twice, so the outer two do not enclose a single formula.
            return text if "$" in inner.replace(r"\$", "") else inner.strip()
    return text


def last_boxed(text: str) -> str | None:
    r"""The text inside the last ``\boxed{...}``; None if there is none, or it is empty or not closed."""
    start = -1
    for match in _BOXED.finditer(text):
        start = match.end()
    if start < 0:
        return None
    end = _closing_brace(text, start)
    return text[start:end].strip() or None if end >= 0 else None


def _closing_brace(text: str, start: int) -> int:
    r"""Index of the brace closing the group that opened just before ``start``; -1 if it is never closed.

    A backslash escapes the next character, so the braces of ``\{1, 2\}`` do not count, but those after ``\\`` do.
    """
    depth = 1
    position = start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1
