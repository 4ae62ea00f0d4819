r"""Find the answer in a response, and undress a gold answer. Linear in the text, no regular-expression backtracking."""

import re

THINKING, END_OF_THINKING = "<think>", "</think>"
_BOXED = re.compile(r"\\boxed\s*\{")
_MATH_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def extract_answer(response: str) -> str | None:
    r"""The text inside the last ``\boxed{...}``, without math delimiters around it, or None.

    Only what follows the reasoning counts (``answer_part``): a boxed guess in there is no answer. If the last box is not closed (a truncated response) or empty there is no answer either, even when
    an earlier box is complete: the response had moved on from it.
    """
    boxed = last_boxed(answer_part(response))
    return None if boxed is None else _without_delimiters(boxed) or None


def answer_part(response: str) -> str:
    """What counts of a response: what follows the last ``</think>``, or all of it; no reasoning that was cut off.

    A ``<think>`` that is not closed opens reasoning that the response did not end: an answer in there is none.
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
            # "$1$ and $2$" opens and closes twice: what is between the outer two is no single formula.
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

    A backslash takes the next character with it, so the braces of ``\{1, 2\}`` do not count and those after a
    ``\\`` do.
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
