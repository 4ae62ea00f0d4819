# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Values that math-verify passes over: ``5 \lor 6`` is 6 to it, ``5 | 6`` is 5, ``5 \text{ or 6}`` is 5.

Where it cannot read all of an answer it takes the first or the last piece that it can. Which one depends on what stands
between, so a list of separators would never end. Instead, each number of the answer is replaced by another: if the
answer still equals the gold answer, the number had no say in the comparison.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Parser = Callable[[str], Sequence[Any]]
Equality = Callable[[list[Any], list[Any]], bool]

# Comparisons are not free; no answer with one value has more numbers than this.
MAX_NUMBERS = 32
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Made of these alone, an answer is read whole, and most answers are; two numbers side by side are not among it.
_READ_WHOLE = re.compile(
    r"(?:\s|[-+*/^(){}]|(?<![\d.])\d+(?:\.\d+)?(?!\s*[\d.])"
    r"|\\[dtc]?frac(?=\s*\{[^{}]+\}\s*\{[^{}]+\})|\\sqrt(?=\s*\{)"
    r"|\\(?:cdot|times|pi|left|right)(?![A-Za-z])|(?<![A-Za-z])[a-z](?![A-Za-z]))+"
)
# What stands before a number that may be passed over: an index, the exponent of a unit, a modulus.
_WITHOUT_SAY = re.compile(r"(?:_\s*\{?|[A-Za-z}]\s*\^\s*\{?\s*-?|\\?[pb]?mod(?:ulo)?\s*\{?)\s*$")
# A decimal behind an exact value: \sqrt{2} \approx 1.414.
_ROUNDED = re.compile(
    r"^(?P<exact>.*\S)\s*(?:\\approx|\\simeq|\u2248)\s*(?P<decimal>-?\d+(?:\.(?P<places>\d+))?)"
    r"\s*(?:\\(?:text|mathrm)\s*\{[^{}]*\}(?:\^\s*\{?\d\}?)?)?$",
    re.DOTALL,
)
_PRODUCT = re.compile(r"\\(?:[dtc]?frac|cdot|times)(?![A-Za-z])|[/*(\d][A-Za-z]|/|\*")


def has_idle_number(extracted: str, gold: str, parsed: Parser, equal: Equality) -> bool:
    """Whether a number of an answer, which is equal to the gold answer, had no say in that.

    Looks at gold answers with one value only: the numbers of sets, tuples and intervals are all compared.

    Args:
        extracted, gold: their texts, undressed.
        parsed: text -> expressions.
        equal: comparison of (gold expressions, expressions).
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
        if not _WITHOUT_SAY.search(text, start, each.start())
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
    """Whether all braces and parentheses are closed by their own kind, in order."""
    opened = []
    for character in text:
        if character in "{(":
            opened.append(character)
        elif character in "})" and (not opened or opened.pop() + character not in ("{}", "()")):
            return False
    return not opened


def _changed(text: str, number: re.Match[str]) -> Iterator[str]:
    """The text with two other numbers of as many digits; smaller ones where possible, which take no longer."""
    first = int(number[0][0])
    others = (1, 2) if first == 0 else (2, 3) if first == 1 else (first - 1, first % 9 + 1)
    for other in others:
        yield f"{text[: number.start()]}{other}{text[number.start() + 1 :]}"


def _rounded(text: str, value: Any) -> str | None:
    """What stands before a decimal that rounds ``value`` or cuts it off; None if the text does not end so."""
    found = _ROUNDED.match(text)
    if found is None or not value.is_number or not value.is_real:
        return None
    unit = 10.0 ** -len(found["places"] or "")
    return found["exact"] if abs(float(value) - float(found["decimal"])) < unit else None
