# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The value of an expression, with numbers in the place of its symbols.

Two expressions are equal if their values are, wherever we look: identities between the functions below do not hold at
several random points by chance. Rational values are exact; others have 50 digits. Nothing is simplified, so the time
depends on the expression's length only.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mpmath

from hpt.verifier.formula.functions import (
    DIGITS,
    FUNCTIONS,
    MAX_BITS,
    MAX_MAGNITUDE,
    TOLERANCE,
    Undefined,
    Value,
    as_float,
    power,
    whole_number,
)
from hpt.verifier.formula.tree import Node, words

_HIDDEN_BITS = 80
_MAX_TERMS, _MAX_STEPS = 200, 10_000
# Names of whole numbers, and how large these are: small at most points, for factorials.
_WHOLE_NAMES = words("j k l m n p q r s t N M K")
_SMALL, _LARGE = 10, 400
# Letters whose brackets hold an argument. Other letters before brackets are factors.
_FUNCTION_NAMES = words("f g h F G H u v phi Gamma zeta")


@dataclass
class Point:
    """Values for symbols.

    Attributes:
        seed: another seed gives other values.
        integers: symbols that usually stand for whole numbers do, as in ``n!``; the others are fractions.
        branch: 1 for the upper sign of a plus-minus, -1 for the lower one.
        negative: some symbols are negative.
        given: values of symbols that are not drawn.
        branched: a root, a logarithm or a power was taken of an expression of symbols, and its value there is a
            convention.
    """

    seed: int = 0
    integers: bool = False
    branch: int = 1
    negative: bool = False
    given: dict[str, Value] = field(default_factory=dict)
    steps: int = 0
    branched: bool = False

    def drawn(self, *key: Any) -> Fraction:
        """A value that follows from the key and the seed."""
        digest = hashlib.blake2b(repr((self.seed, *key)).encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        if self.integers and key[0] in _WHOLE_NAMES:
            return Fraction(2 + number % (_LARGE if self.seed % 3 == 2 else _SMALL))
        value = Fraction(1 + number % 9973, 1 + (number >> 32) % 1999 + 400)
        return -value if self.negative and number >> 63 else value


def value_of(node: Node, point: Point) -> Value:
    """The value of an expression.

    Raises:
        Undefined: there is none, or it is no number.
    """
    with mpmath.workdps(DIGITS):
        try:
            return _value(node, point)
        except (ArithmeticError, ValueError, TypeError, MemoryError, mpmath.libmp.NoConvergence) as error:
            raise Undefined(str(error)) from None


def _value(node: Node, point: Point) -> Value:
    point.steps += 1
    if point.steps > _MAX_STEPS:
        raise Undefined("too many steps")
    rule = _RULES.get(node.head)
    if rule is None:
        raise Undefined(f"a {node.head} is no number")
    return _bounded(rule(node.parts, point))


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction):
        if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
            return _limited(as_float(value))
        return value
    return _limited(value)


def _limited(value: Value) -> Value:
    if isinstance(value, mpmath.mpc):
        if value.imag == 0 or abs(value.imag) < TOLERANCE * abs(value.real):
            value = value.real
        elif mpmath.isnan(value.real) or mpmath.isnan(value.imag):
            raise Undefined("no number")
        else:
            return value
    if mpmath.isnan(value) or (not mpmath.isinf(value) and value != 0 and abs(mpmath.mag(value)) > MAX_MAGNITUDE):
        raise Undefined("too large")
    return value


def _both(
    left: Value, right: Value, exact: Callable[[Fraction, Fraction], Fraction], other: Callable[[Any, Any], Any]
) -> Value:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return exact(left, right)
    return other(as_float(left), as_float(right))


def _add(parts: Sequence[Any], point: Point) -> Value:
    return _total(_value(parts[0], point), _value(parts[1], point))


def _total(left: Value, right: Value) -> Value:
    def inexact(a: Any, b: Any) -> Any:
        if a != 0 and b != 0 and abs(mpmath.mag(a) - mpmath.mag(b)) > _HIDDEN_BITS:
            raise Undefined("one term is too small to be seen beside the other")
        total = a + b
        cancelled = abs(total) <= mpmath.mpf(10) ** -40 * max(abs(a), abs(b))
        return mpmath.mpf(0) if cancelled else total

    return _both(left, right, Fraction.__add__, inexact)


def _mul(parts: Sequence[Any], point: Point) -> Value:
    left, right = _value(parts[0], point), _value(parts[1], point)
    return _both(left, right, Fraction.__mul__, lambda a, b: a * b)


def _div(parts: Sequence[Any], point: Point) -> Value:
    left, right = _value(parts[0], point), _value(parts[1], point)
    if right == 0:
        raise Undefined("division by 0")
    return _both(left, right, Fraction.__truediv__, lambda a, b: a / b)


def _neg(parts: Sequence[Any], point: Point) -> Value:
    return -_value(parts[0], point)


def _pow(parts: Sequence[Any], point: Point) -> Value:
    base, exponent = _value(parts[0], point), _value(parts[1], point)
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1
    point.branched |= not whole and not _is_positive(base) and parts[0].has("sym", "sub")
    return power(base, exponent)


def _is_positive(value: Value) -> bool:
    return not isinstance(value, mpmath.mpc) and bool(value >= 0)


_WITH_BRANCHES = ("root", "ln", "log", "lg")


def _fn(parts: Sequence[Any], point: Point) -> Value:
    name, arguments = parts
    values = [_value(each, point) for each in arguments]
    point.branched |= (
        name in _WITH_BRANCHES
        and not all(map(_is_positive, values))
        and any(each.has("sym", "sub") for each in arguments)
    )
    if name in FUNCTIONS:
        return FUNCTIONS[name](*values)
    return point.drawn(name, *map(_key, values))


def _series(parts: Sequence[Any], point: Point) -> Value:
    name, index, first, last, term = parts
    start, stop = whole_number(_value(first, point)), whole_number(_value(last, point))
    if stop - start >= _MAX_TERMS:
        raise Undefined("too many terms")
    total: Value = Fraction(0 if name == "sum" else 1)
    outer = point.given.get(index)
    for number in range(start, stop + 1):
        point.given[index] = Fraction(number)
        each = _value(term, point)
        total = _total(total, each) if name == "sum" else _both(total, each, Fraction.__mul__, lambda a, b: a * b)
        total = _bounded(total)
    point.given.pop(index, None)
    if outer is not None:
        point.given[index] = outer
    return total


def _key(value: Value) -> str:
    """Equal for equal values."""
    return str(value) if isinstance(value, Fraction) else mpmath.nstr(value, 25)


def _symbol(parts: Sequence[Any], point: Point) -> Value:
    name = parts[0]
    return point.given[name] if name in point.given else point.drawn(name)


def _indexed(parts: Sequence[Any], point: Point) -> Value:
    name, index = parts
    try:
        return point.drawn(name, "_", _key(_value(index, point)))
    except Undefined:
        return point.drawn(name, "_", repr(index))


def _apply(parts: Sequence[Any], point: Point) -> Value:
    """A letter before brackets: ``c(x + 1)`` is a product, ``f(x + 1)`` the value of a function."""
    name, arguments = parts
    is_function = name.head != "sym" or name.parts[0] in _FUNCTION_NAMES
    if len(arguments) == 1 and not is_function:
        return _mul((name, arguments[0]), point)
    return point.drawn(repr(name), *(_key(_value(each, point)) for each in arguments))


def _constant(parts: Sequence[Any], point: Point) -> Value:
    if parts[0] in point.given:  # an index that is called i
        return point.given[parts[0]]
    return {"pi": mpmath.pi, "e": mpmath.e, "i": mpmath.mpc(0, 1), "infty": mpmath.inf}[parts[0]] * mpmath.mpf(1)


def _branch(sign: int) -> Callable[[Sequence[Any], Point], Value]:
    def rule(parts: Sequence[Any], point: Point) -> Value:
        left, right = _value(parts[0], point), _value(parts[1], point)
        return _total(left, sign * point.branch * right)

    return rule


def _angle(parts: Sequence[Any], point: Point) -> Value:
    """The argument of a trigonometric function; no other quantity stands inside an expression."""
    value, unit = parts
    if unit.powers not in ((("degree", 1),), (("radian", 1),)):
        raise Undefined("a quantity is no number")
    return _mul((value, _DEGREE), point) if unit.powers[0][0] == "degree" else _value(value, point)


_DEGREE = Node("div", Node("const", "pi"), Node("num", Fraction(180)))
_RULES: dict[str, Callable[[Sequence[Any], Point], Value]] = {
    "num": lambda parts, _: parts[0],
    "dec": lambda parts, _: parts[0],
    "const": _constant,
    "sym": _symbol,
    "sub": _indexed,
    "apply": _apply,
    "add": _add,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "fn": _fn,
    "series": _series,
    "quantity": _angle,
    "pm": _branch(1),
    "mp": _branch(-1),
}
