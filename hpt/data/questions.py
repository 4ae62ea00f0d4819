# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""When two questions are the same: their texts are compared without LaTeX spacing, case and white space."""

import hashlib
import re
import unicodedata

# Spacing, math delimiters and commands that change how a formula looks and not what it says.
_SPACING = re.compile(r"\\(?:[,;:!> ()\[\]]|(?:quad|qquad|thinspace|left|right|displaystyle|limits)(?![a-z]))|~|\$")
_FONTS = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname)(?![a-z])")
_FRACTIONS = re.compile(r"\\[dt]frac(?![a-z])")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return _FRACTIONS.sub(r"\\frac", _SPACING.sub(" ", text))


def question_key(text: str) -> str:
    """A key of 32 hexadecimal digits, equal for questions that differ in case, white space and LaTeX spacing only.

    Operators, digits and braces count, so that ``x+1`` and ``x-1`` stay two questions.
    """
    joined = "".join(_plain(text).split())
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def words(text: str) -> list[str]:
    r"""Runs of letters and runs of digits, in order; ``\frac{1}{2}`` gives frac, 1, 2.

    Punctuation, operators and font commands are left out, so that different renderings of a formula are equal.
    """
    return _TOKEN.findall(_FONTS.sub(" ", _plain(text)))


def last_user_message(messages: list[dict[str, str]]) -> str:
    """The question of a prompt; empty if the user has no message."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
