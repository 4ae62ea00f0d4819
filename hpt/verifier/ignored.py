# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Numbers that math-verify ignores: it reads ``5 \lor 6`` as 6, ``5 | 6`` as 5 and ``5 \text{ or 6}`` as 5.

If math-verify cannot read a whole answer, it takes the first or the last piece that it can read. Which one depends on
the separator, and no list of separators is complete. So each number of the answer is replaced by another one: if the
answer still equals the gold answer, the comparison ignored the number.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Parser = Callable[[str], Sequence[Any]]
Equality = Callable[[list[Any], list[Any]], bool]

# Comparisons take time; no answer with one value has more numbers than this.
MAX_NUMBERS = 32
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# math-verify reads an answer made of these alone as a whole. Most answers are. Two numbers side by side do not belong
# here.
_READ_WHOLE = re.compile(
    r"(?:\s|[-+*/^(){}]|(?<![\d.])\d+(?:\.\d+)?(?!\s*[\d.])"
    r"|\\[dtc]?frac(?=\s*\{[^{}]+\}\s*\{[^{}]+\})|\\sqrt(?=\s*\{)"
    r"|\\(?:cdot|times|pi|left|right)(?![A-Za-z])|(?<![A-Za-z])[a-z](?![A-Za-z]))+"
)
# Text before a number that may be ignored: an index, the exponent of a unit, a modulus.
_MAY_BE_IGNORED = re.compile(r"(?:_\s*\{?|[A-Za-z}]\s*\^\s*\{?\s*-?|\\?[pb]?mod(?:ulo)?\s*\{?)\s*$")
# A decimal after an exact value: \sqrt{2} \approx 1.414.
_ROUNDED = re.compile(
    r"^(?P<exact>.*\S)\s*(?:\\approx|\\simeq|\u2248)\s*(?P<decimal>-?\d+(?:\.(?P<places>\d+))?)"
    r"\s*(?:\\(?:text|mathrm)\s*\{[^{}]*\}(?:\^\s*\{?\d\}?)?)?$",
    re.DOTALL,
)
_PRODUCT = re.compile(r"\\(?:[dtc]?frac|cdot|times)(?![A-Za-z])|[/*(\d][A-Za-z]|/|\*")


def has_ignored_number(extracted: str, gold: str, parsed: Parser, equal: Equality) -> bool:
    """Whether the comparison that found an answer equal to the gold answer ignored one of the answer's numbers.

    Only gold answers with one value are examined: the numbers of sets, tuples and intervals are all compared.

    Args:
        extracted, gold: the texts, as :func:`hpt.verifier.normalize.simplified` gives them.
        parsed: text -> expressions.
        equal: compares (gold expressions, expressions).
    """
    from sympy import Expr

    if extracted == gold or (_READ_WHOLE.fullmatch(extracted) and is_balanced(extracted)):
        return False
    reference = list(parsed(gold))
    if not reference or not isinstance(reference[0], Expr):
        return False
    text = extracted
    if (rounded := _rounded(extracted, reference[0])) and equal(reference, list(parsed(rounded))):
        text = rounded
    if reference[0].is_zero and _PRODUCT.search(text):  # 0/5 is 0/6
        return False
    start = ([-1, *equalities(text)])[-1] + 1
    numbers = list(_NUMBER.finditer(text, start))
    if len(numbers) + (start > 0) < 2:
        return False
    return len(numbers) > MAX_NUMBERS or any(
        all(equal(reference, list(parsed(changed))) for changed in _changed(text, each))
        and not equal(reference, list(parsed(each[0])))
        for each in numbers
        if not _MAY_BE_IGNORED.search(text, start, each.start())
    )


def equalities(text: str) -> list[int]:
    """Indices of the ``=`` outside all brackets."""
    depth, found = 0, []
    for position, character in enumerate(text):
        if character in "{([":
            depth += 1
        elif character in "})]":
            depth = max(0, depth - 1)
        elif character == "=" and depth == 0:
            found.append(position)
    return found


def is_balanced(text: str) -> bool:
    """Whether every brace and parenthesis is closed by its own kind, in order."""
    opened = []
    for character in text:
        if character in "{(":
            opened.append(character)
        elif character in "})" and (not opened or opened.pop() + character not in ("{}", "()")):
            return False
    return not opened


def _changed(text: str, number: re.Match[str]) -> Iterator[str]:
    """The text with two other numbers of as many digits, smaller if possible, so that comparing takes no longer."""
    first = int(number[0][0])
    others = (1, 2) if first == 0 else (2, 3) if first == 1 else (first - 1, first % 9 + 1)
    for other in others:
        yield f"{text[: number.start()]}{other}{text[number.start() + 1 :]}"


def _rounded(text: str, value: Any) -> str | None:
    """The text before a final decimal that rounds or truncates ``value``; None if there is no such decimal."""
    found = _ROUNDED.match(text)
    if found is None or not value.is_number or not value.is_real:
        return None
    unit = 10.0 ** -len(found["places"] or "")
    return found["exact"] if abs(float(value) - float(found["decimal"])) < unit else None
