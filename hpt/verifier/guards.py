# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Pairs that math-verify calls equal although they differ. Each guard decides whether such a pair differs.

They differ by a relation, the base of a numeral, a variable taken for a unit, a tiny number, or a piece left out.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from hpt.verifier.ignored import Parser, equalities, has_ignored_number
from hpt.verifier.normalize import base_of

# Relations other than equality turn a number into a statement.
_RELATION = re.compile(r"\\(?:neq?|leq?|geq?|lt|gt|ll|gg|leqslant|geqslant)(?![a-zA-Z])|[<>\u2260\u2264\u2265]")
# A gold answer that is a set may be written as a relation.
_SET = re.compile(r"\\(?:in|infty|cup|cap|mathbb|emptyset|varnothing)(?![a-zA-Z])|[\[\]]")
# A variable right after a number or a bracket: 4c, 2\pi r, (a+1)b. After a space it may be a unit: 5 m.
_COMMAND_OR_TEXT = re.compile(r"\\(?:text|mathrm|operatorname|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+|\\.")
_VARIABLE = re.compile(r"(?<=[0-9)}])[a-zA-Z](?![a-zA-Z])")
# Absolute rounding to 6 digits suits numbers in this range only; there it is as good as relative rounding.
_SMALL, _LARGE = 1e-2, 1e6
RELATIVE_TOLERANCE = 1e-6
# Every digit of a whole gold answer counts: 1000000008.0 is not 1000000007. This is the precision of float64.
WHOLE_TOLERANCE = 1e-12


def differs(extracted: str, gold: str, parsed: Parser, equal: Callable[..., bool]) -> bool:
    """Whether a pair that math-verify calls equal differs nevertheless.

    Args:
        extracted, gold: the texts, as :func:`hpt.verifier.normalize.simplified` gives them.
        parsed: text -> expressions.
        equal: compares (gold expressions, expressions).
    """
    return (
        _other_base(extracted, gold)
        or _is_relation(extracted, gold)
        or _lost_variable(extracted, gold)
        or _inconsistent_chain(extracted, gold, parsed, equal)
        or has_ignored_number(extracted, gold, parsed, equal)
    )


def _other_base(extracted: str, gold: str) -> bool:
    """``2516_7`` for ``2516_8``: math-verify drops the subscript."""
    bases = base_of(extracted), base_of(gold)
    return None not in bases and bases[0] != bases[1]


def _is_relation(extracted: str, gold: str) -> bool:
    r"""``\neq 7`` or ``> 7`` for 7: math-verify drops the relation before the number."""
    if _RELATION.search(gold) or _SET.search(gold):
        return False
    return _RELATION.search(extracted) is not None


def _lost_variable(extracted: str, gold: str) -> bool:
    """``4`` for ``4c``: math-verify takes a letter at the end for a unit."""
    plain = _COMMAND_OR_TEXT.sub(" ", extracted).casefold()
    return any(letter.casefold() not in plain for letter in _VARIABLE.findall(_COMMAND_OR_TEXT.sub("\\\\ ", gold)))


def _inconsistent_chain(extracted: str, gold: str, parsed: Parser, equal: Callable[..., bool]) -> bool:
    """``6 = 7`` for 7: math-verify compares the last side only, so a chain could list guesses."""
    ends = [*equalities(extracted), len(extracted)]
    sides = [extracted[a + 1 : b].strip() for a, b in zip([-1, *ends], ends, strict=False)]
    if len(sides) < 2 or "=" in gold:
        return False
    last = parsed(sides[-1])
    for side in sides[:-1]:
        named = re.search(r"[A-Za-z]", _COMMAND_OR_TEXT.sub("", side))
        expressions = parsed(side)
        if named and not _same_variables(expressions, last):
            continue  # a name may have any value
        if not last or not expressions or not equal(list(last), list(expressions)):
            return True
    return False


def _same_variables(side: Sequence[Any], last: Sequence[Any]) -> bool:
    """Whether two expressions have the same variables: true for ``x^2+1 = x^2+2``, false for ``f(x) = x``."""
    from sympy import Expr
    from sympy.core.function import AppliedUndef

    if not side or not last or not isinstance(side[0], Expr) or not isinstance(last[0], Expr):
        return False
    variables = side[0].free_symbols
    return not side[0].has(AppliedUndef) and bool(variables) and variables == last[0].free_symbols


def as_inexact_numbers(gold: Sequence[Any], target: Sequence[Any]) -> tuple[float, float, float] | None:
    """Both sides as floats, and the tolerance, if they are single numbers and one is a decimal; None otherwise.

    math-verify compares exact numbers: 1000000007 and 1000000008 are close but different.
    """
    from sympy import Expr, Float

    sides = [[each for each in side if isinstance(each, Expr) and each.is_number] for side in (gold, target)]
    if not all(sides) or not any(side[0].has(Float) for side in sides):
        return None
    try:
        values = [float(side[0]) for side in sides]
    except (TypeError, ValueError, OverflowError):  # complex, or out of range
        return None
    return values[0], values[1], WHOLE_TOLERANCE if sides[0][0].is_Integer else RELATIVE_TOLERANCE


def by_relative_error(gold: float, target: float, tolerance: float) -> bool | None:
    """Compare decimals that are too small or too large for absolute rounding; None for all others."""
    if _SMALL <= abs(gold) <= _LARGE:
        return None
    if gold == 0.0:
        return None
    return abs(gold - target) <= tolerance * abs(gold)
