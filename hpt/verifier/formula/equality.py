# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Whether two expressions have the same value, wherever we look."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath

from hpt.verifier.formula.functions import DIGITS, TOLERANCE, WHOLE_NUMBER_FUNCTIONS, Undefined, are_close, as_float
from hpt.verifier.formula.numeric import Point, value_of
from hpt.verifier.formula.tree import Node, renamed, words

_POINTS, _LEAST_POINTS = 6, 3
# A decimal equals what it rounds to so many digits. 0.333 is not 1/3, and 1e-24 is not 0.
_DIGITS, _ROUNDING = 6, 5e-7
_WHOLE = 1e-9
_PLACES = 45  # that are compared
_GROWTH = mpmath.mpf(10) ** -20
_INDEX = "index of a sum"
_NEAR = 0.02
# Nodes that are no number, whatever the values of their symbols.
_NOT_VALUES = words(
    "list tuple set rel matrix cases builder union inter minus domain ratio quantity percent cond dots forms mod based"
)
_SYMBOLS = ("sym", "sub")


def is_value(node: Node) -> bool:
    """Whether a tree is a number, or an expression of symbols."""
    return node.head not in _NOT_VALUES and not node.has("pm", "mp")


def is_constant(node: Node) -> bool:
    """Whether no symbol is in a tree."""
    return not node.has(*_SYMBOLS)


def same_value(left: Node, right: Node) -> bool:
    """Compare two expressions at one point if they are constant, otherwise at several."""
    if left == right:
        return True
    if left.head in _NOT_VALUES or right.head in _NOT_VALUES:
        return False
    if left.head == right.head == "series" and left.parts[1] != right.parts[1]:
        return same_value(_with_index(left, _INDEX), _with_index(right, _INDEX))
    if _is_decimal(left) and _is_decimal(right):
        return False  # they are not the same
    constant = is_constant(left) and is_constant(right)
    literal = next((side for side in (left, right) if _is_decimal(side)), None)
    equal = partial(_rounds_to, literal=literal) if left.has("dec") or right.has("dec") else are_close
    seen = 0
    for branched, first, second in _values((left, right), 1 if constant else 2 * _POINTS):
        if not equal(first, second):
            if branched and not constant:
                continue  # \ln ab and \ln a + \ln b
            return False
        seen += 1
    return seen >= (1 if constant else _LEAST_POINTS) or (seen == 0 and _are_endless_sums(left, right))


def _is_decimal(node: Node) -> bool:
    return node.head == "dec" or (node.head == "neg" and node.parts[0].head == "dec")


def _are_endless_sums(left: Node, right: Node) -> bool:
    """Whether two sums without a value have the same bounds and the same terms."""
    return left.head == right.head == "series" and left[:3] == right[:3] and all(map(same_value, left[3:], right[3:]))


def _with_index(series: Node, name: str) -> Node:
    """A sum with another name for its index."""
    kind, index, first, last, term = series.parts
    return Node("series", kind, name, first, last, renamed(term, index, name))


def proportional(left: Node, right: Node) -> Any | None:
    """The number that ``right`` must be multiplied with to be ``left``, everywhere; None if there is none, or it is 0.

    Both have symbols.
    """
    if is_constant(left) or is_constant(right):
        return None
    ratio, seen = None, 0
    for branched, first, second in _values((left, right), 2 * _POINTS):
        if branched:
            continue
        if first == 0 or second == 0:
            if first != second:
                return None
            continue
        found = quotient(first, second)
        if ratio is not None and not are_close(ratio, found):
            return None
        ratio, seen = found, seen + 1
    return ratio if seen >= _LEAST_POINTS and not isinstance(ratio, mpmath.mpc) else None


def is_shifted(left: Node, right: Node) -> bool:
    """Whether two expressions differ by a constant: both grow by the same between several points."""
    points = list(_values((left, right), 2 * _POINTS))
    with mpmath.workdps(DIGITS):
        start = next((point for point in points if not point[0]), points[0] if points else None)
        seen = 0
        for point in points:
            if point is start:
                continue
            one, other = (as_float(point[side]) - as_float(start[side]) for side in (1, 2))  # type: ignore[index]
            if 0 in (one, other) or not are_close(one, other, _GROWTH):
                if point[0]:
                    continue
                return False
            seen += 1
    return seen >= _LEAST_POINTS


def quotient(left: Any, right: Any) -> Any:
    """The ratio of two values, the second of which is not 0."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left / right
    with mpmath.workdps(DIGITS):
        return as_float(left) / as_float(right)


def is_near(exact: Node, rounded: Node) -> bool:
    """Whether a constant may be what another one was rounded to: a literal to its places, a formula roughly."""
    for _, first, second in _values((exact, rounded), 1):
        if not is_literal(rounded):
            return are_close(first, second, _NEAR)
        return bool(abs(as_float(first) - as_float(second)) < mpmath.mpf(10) ** -_places_of(rounded))
    return False


def is_literal(node: Node) -> bool:
    """Whether a tree is a number as it is written, with its sign."""
    return node.head in ("num", "dec") or (node.head == "neg" and node.parts[0].head in ("num", "dec"))


def is_near_zero(node: Node) -> bool:
    """Whether a constant is between -1 and 1; an expression of symbols is not."""
    return is_constant(node) and any(abs(as_float(first)) < 1 for _, first, _ in _values((node, node), 1))


def _values(sides: Sequence[Node], count: int) -> Iterator[tuple[bool, Any, Any]]:
    """Values of two expressions at up to ``count`` points where both have one, half of them with negative symbols.

    The first of each triple says whether the values are conventions there.
    """
    integers = any(map(_is_about_whole_numbers, sides))
    # \ln x is not \ln|x|, though \ln x^2 is written as 2\ln x.
    conventions = all if any(each[:2] == ("fn", "abs") for side in sides for each in side.walk()) else any
    for seed in range(count):
        points = [Point(seed, integers, negative=seed % 2 == 1) for _ in sides]
        try:
            first, second = (value_of(side, point) for side, point in zip(sides, points, strict=True))
        except Undefined:
            continue
        yield conventions(point.branched for point in points), first, second


def _is_about_whole_numbers(node: Node) -> bool:
    def is_so(each: Node) -> bool:
        if each.head == "fn":
            return each.parts[0] in WHOLE_NUMBER_FUNCTIONS
        base, exponent = each.parts if each.head == "pow" else (each, each)
        return each.head == "series" or (base.head == "neg" and is_constant(base) and not is_constant(exponent))

    return any(map(is_so, node.walk()))


def _rounds_to(left: Any, right: Any, literal: Node | None) -> bool:
    """Whether a decimal is the other value to 6 digits; every digit of a whole number counts.

    Args:
        literal: the side that is a decimal and nothing else. Each of its digits counts, too.
    """
    both_exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    if both_exact and (left == right or 1 in (left.denominator, right.denominator)):
        return bool(left == right)
    if any(isinstance(each, Fraction) and each.denominator == 1 for each in (left, right)):
        return are_close(left, right, _WHOLE)
    with mpmath.workdps(DIGITS):
        left, right = as_float(left), as_float(right)
        size = max(abs(left), abs(right))
        if mpmath.isinf(size):
            return False
        if isinstance(left, mpmath.mpc) or isinstance(right, mpmath.mpc):  # each part counts
            parts = [(mpmath.re(left), mpmath.re(right)), (mpmath.im(left), mpmath.im(right))]
            return all(are_close(*pair, _ROUNDING) or abs(pair[0] - pair[1]) < TOLERANCE * size for pair in parts)
        last = mpmath.mpf(10) ** (mpmath.floor(mpmath.log10(size)) + 1 - _DIGITS)
        if literal is not None:
            last = min(last, mpmath.mpf(10) ** -_places_of(literal))
        return bool(abs(left - right) <= (last / 2 if literal is not None else _ROUNDING * size))


def _places_of(literal: Node) -> int:
    """Digits behind the point."""
    value = literal.parts[0].parts[0] if literal.head == "neg" else literal.parts[0]
    return next((place for place in range(_PLACES) if (value * 10**place).denominator == 1), _PLACES)
