r"""What math-verify takes for equal and is not: relations, other bases, variables taken for units, tiny numbers.

Each guard looks at a pair that math-verify calls equal and says whether it differs all the same.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from hpt.verifier.normalize import base_of

# Relations other than equality; they make a statement of a number.
_RELATION = re.compile(
    r"\\(?:neq?|leq?|geq?|lt|gt|ll|gg|leqslant|geqslant)(?![a-zA-Z])|[<>\u2260\u2264\u2265]"
)
# A gold answer that is a set may be written as a relation.
_SET = re.compile(r"\\(?:in|infty|cup|cap|mathbb|emptyset|varnothing)(?![a-zA-Z])|[\[\]]")
# A variable right behind a number or a bracket: 4c, 2\pi r, (a+1)b. With a space between, it may be a unit: 5 m.
_COMMAND_OR_TEXT = re.compile(r"\\(?:text|mathrm|operatorname|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+|\\.")
_VARIABLE = re.compile(r"(?<=[0-9)}])[a-zA-Z](?![a-zA-Z])")
# Absolute rounding to 6 digits says nothing about numbers outside; inside it is as good as a relative one.
_SMALL, _LARGE = 1e-2, 1e6
RELATIVE_TOLERANCE = 1e-6

Parser = Callable[[str], Sequence[Any]]


def differs(extracted: str, gold: str, parsed: Parser, equal: Callable[..., bool]) -> bool:
    """Whether a pair that is equal to math-verify differs all the same.

    Args:
        extracted, gold: their texts, undressed.
        parsed: text -> expressions.
        equal: math-verify's comparison of (gold expressions, expressions).
    """
    return (
        _other_base(extracted, gold)
        or _is_relation(extracted, gold)
        or _lost_variable(extracted, gold)
        or _inconsistent_chain(extracted, gold, parsed, equal)
    )


def _other_base(extracted: str, gold: str) -> bool:
    """``2516_7`` for ``2516_8``: math-verify drops the subscript."""
    bases = base_of(extracted), base_of(gold)
    return None not in bases and bases[0] != bases[1]


def _is_relation(extracted: str, gold: str) -> bool:
    r"""``\neq 7`` or ``> 7`` for 7: math-verify drops what stands before the number."""
    if _RELATION.search(gold) or _SET.search(gold):
        return False
    return _RELATION.search(extracted) is not None


def _lost_variable(extracted: str, gold: str) -> bool:
    """``4`` for ``4c``: math-verify takes a letter at the end for a unit."""
    plain = _COMMAND_OR_TEXT.sub(" ", extracted).casefold()
    return any(
        letter.casefold() not in plain
        for letter in _VARIABLE.findall(_COMMAND_OR_TEXT.sub("\\\\ ", gold))
    )


def _inconsistent_chain(
    extracted: str, gold: str, parsed: Parser, equal: Callable[..., bool]
) -> bool:
    """``6 = 7`` for 7: math-verify looks at the last side only, so a chain could list guesses."""
    sides = [side.strip() for side in extracted.split("=")]
    if len(sides) < 2 or "=" in gold:
        return False
    last = parsed(sides[-1])
    for side in sides[:-1]:
        if not re.search(r"[A-Za-z]", _COMMAND_OR_TEXT.sub("", side)):  # a name may have any value
            expressions = parsed(side)
            if not last or not expressions or not equal(list(last), list(expressions)):
                return True
    return False


def as_inexact_numbers(gold: Sequence[Any], target: Sequence[Any]) -> tuple[float, float] | None:
    """Both sides as floats where they are single numbers, one of them a decimal; None otherwise.

    Exact numbers are left to math-verify: 1000000007 and 1000000008 are close and different.
    """
    from sympy import Expr, Float

    sides = [
        [each for each in side if isinstance(each, Expr) and each.is_number]
        for side in (gold, target)
    ]
    if not all(sides) or not any(side[0].has(Float) for side in sides):
        return None
    try:
        values = [float(side[0]) for side in sides]
    except (TypeError, ValueError, OverflowError):  # complex, or out of range
        return None
    return values[0], values[1]


def by_relative_error(gold: float, target: float) -> bool | None:
    """Equality of decimals that are too small or too large for absolute rounding; None for the others."""
    if _SMALL <= abs(gold) <= _LARGE:
        return None
    if gold == 0.0:
        return None
    return abs(gold - target) <= RELATIVE_TOLERANCE * abs(gold)
