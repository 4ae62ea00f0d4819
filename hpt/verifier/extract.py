# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Find the answer in a response, and the bare gold answer, in time linear in the text."""

import re
from collections.abc import Sequence
from typing import Any

THINKING, END_OF_THINKING = "<think>", "</think>"
_TOKENS_OF_TAG = 16
"""More than a tag and the line breaks after it have, in any tokenizer."""
_BOXED = re.compile(r"\\boxed\s*\{")
_BRACES = re.compile(r"\\.|\{+|\}+", re.DOTALL)
# What may stand between the boxes of one answer: "$\\boxed{5}$ or $x = \\boxed{6}$".
_BETWEEN = r"(?:\s|\$|\\[()]|\\q?quad|\\[,; ])*+"
_JOINT = re.compile(
    rf"{_BETWEEN}(?:,|;|\\text\s*+\{{)?\s*+(and|or)?\s*+\}}?{_BETWEEN}(?:[A-Za-z](?:_\{{?\w\}}?)?\s*+=\s*+)?"
)
_NAME = re.compile(r"(?<![A-Za-z\\\\])[A-Za-z](?:_\{?\w\}?)?\s*=\s*\Z")
_MAX_BOXES, _MAX_NAME = 20, 12
_MATH_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def extract_answer(response: str) -> str | None:
    r"""The text inside the last ``\boxed{...}``, without math delimiters around it, or None.

    Only the text after the reasoning counts (``answer_part``), so a boxed guess in the reasoning is no answer. If the
    last box is empty, or not closed because the response was truncated, there is no answer either. An earlier complete
    box does not count, because the response went on after it. Boxes with nothing but "or", "and" or a comma between
    them are the items of one answer.
    """
    answer = last_boxes(answer_part(response))
    return None if answer is None else _without_delimiters(answer) or None


def answer_part(response: str) -> str:
    """The part of a response that counts: all text after the last ``</think>`` and before an open ``<think>``.

    An open ``<think>`` starts reasoning that was cut off, and an answer in reasoning does not count.
    """
    return response.rpartition(END_OF_THINKING)[2].partition(THINKING)[0]


def opening_of(prompt: Sequence[int], tokenizer: Any) -> str:
    """The tag with which the prompt opens the reasoning, to be put before the response; empty where it does not.

    Without it a response that was cut off in such reasoning would look like an answer.

    Args:
        prompt: token ids.
    """
    end = tokenizer.decode(list(prompt[-_TOKENS_OF_TAG:]), skip_special_tokens=False)
    return THINKING if end.rstrip().endswith(THINKING) else ""


def normalize_gold(answer: str) -> str:
    r"""The gold answer without ``\boxed{}`` and without the math delimiters around it."""
    boxed = last_boxes(answer)
    return _without_delimiters(answer.strip() if boxed is None else boxed)


def last_boxes(text: str) -> str | None:
    """The content of the last box and of those before it that belong to the same answer; None as in ``last_boxed``."""
    last = last_boxed(text)
    if last is None:
        return None
    starts = [match.start() for match in _BOXED.finditer(text)]
    items, end = [_named(text, starts[-1], last)], starts[-1]
    for start in starts[-2:-_MAX_BOXES:-1]:
        opening = text.index("{", start) + 1
        closing = _closing_brace(text, opening)
        joint = _JOINT.fullmatch(text, closing + 1, end) if 0 <= closing < end else None
        if joint is None:
            break
        items.append(f"{_named(text, start, text[opening:closing].strip())} {joint[1] or ','}")
        end = start
    if len(items) == 1 or len({item.removesuffix(" ,") for item in items}) == 1:
        return last
    return " ".join(reversed(items))


def _named(text: str, start: int, content: str) -> str:
    """The content of a box, after the name before it: "$x = \\boxed{1}$"."""
    name = _NAME.search(text, max(0, start - _MAX_NAME), start)
    return content if name is None else name[0] + content


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
    for found in _BRACES.finditer(text, start):
        run = found[0]
        if run[0] == "{":
            depth += len(run)
        elif run[0] == "}":
            if len(run) >= depth:
                return found.start() + depth - 1
            depth -= len(run)
    return -1
