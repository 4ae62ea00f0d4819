# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Functions of numbers. Rational values are exact; others have 50 digits."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

DIGITS = 50
TOLERANCE = mpmath.mpf(10) ** -30
# Larger numbers are not computed exactly, and those beyond the second limit not at all.
MAX_BITS, MAX_MAGNITUDE = 40_000, 1_000_000
# Arguments of functions have fewer bits than this before the point.
_MAX_ARGUMENT = 400
Value = Any  # Fraction, mpmath.mpf or mpmath.mpc


class Undefined(ArithmeticError):
    """The expression has no value there, or one that is too large to compute."""


def as_float(value: Value) -> Value:
    """The value as a number of mpmath."""
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    return value


def are_close(left: Value, right: Value, tolerance: Any = TOLERANCE) -> bool:
    """Whether two values are equal; rational ones exactly, unless a tolerance is given."""
    if isinstance(left, Fraction) and isinstance(right, Fraction) and tolerance is TOLERANCE:
        return left == right
    with mpmath.workdps(DIGITS):
        left, right = as_float(left), as_float(right)
        if mpmath.isinf(left) or mpmath.isinf(right):
            return bool(left == right)
        size = max(abs(left), abs(right))
        return bool(abs(left - right) <= tolerance * size)


def power(base: Value, exponent: Value) -> Value:
    """A power; odd roots of negative numbers are real."""
    if base == 0 and not (isinstance(exponent, Fraction) and exponent > 0):
        raise Undefined("0 to a power that is not positive")
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator == 1 and abs(exponent.numerator) * bits <= MAX_BITS:
            return base**exponent.numerator
        if base < 0 and exponent.denominator % 2 == 1:  # the real root
            sign = -1 if exponent.numerator % 2 else 1
            return sign * power(-base, exponent)
    base, exponent = as_float(base), as_float(exponent)
    size, length = abs(int(mpmath.mag(base))) if base else 0, int(mpmath.mag(exponent)) if exponent else 0
    if base != 1 and (length > 40 or size << max(0, length) > 2 * MAX_MAGNITUDE):
        raise Undefined("too large")
    return mpmath.power(base, exponent)


def whole_number(value: Value) -> int:
    """The value as an int.

    Raises:
        Undefined: it is no whole number.
    """
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    raise Undefined("no whole number")


def _check_size(value: Value) -> None:
    number = as_float(value)
    if not mpmath.isinf(number) and number != 0 and mpmath.mag(number) > _MAX_ARGUMENT:
        raise Undefined("too large")


@lru_cache(maxsize=64)
def _whole_factorial(number: int) -> Fraction:
    return Fraction(math.factorial(number))


def _factorial(value: Value) -> Value:
    _check_size(value)
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined("the factorial of a negative number")
        if value <= 3000:
            return _whole_factorial(value.numerator)
    return mpmath.gamma(as_float(value) + 1)


def _binom(upper: Value, lower: Value) -> Value:
    if (
        all(isinstance(each, Fraction) and each.denominator == 1 for each in (upper, lower))
        and 0 <= lower <= 1000
        and abs(upper) <= 10_000
    ):
        found = 1
        for index in range(lower.numerator):
            found = found * (upper.numerator - index) // (index + 1)
        return Fraction(found)
    _check_size(upper)
    _check_size(lower)
    return mpmath.binomial(as_float(upper), as_float(lower))


def _root(value: Value, degree: Value) -> Value:
    if isinstance(value, Fraction) and degree == 2 and value >= 0:
        roots = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if roots[0] ** 2 == value.numerator and roots[1] ** 2 == value.denominator:
            return Fraction(*roots)
    return power(
        value,
        1 / Fraction(whole_number(degree))
        if isinstance(degree, Fraction) and degree.denominator == 1 and degree
        else 1 / as_float(degree),
    )


def _rounded(rounding: Callable[[Any], int]) -> Callable[[Value], Value]:
    def rule(value: Value) -> Value:
        if not isinstance(value, Fraction) and abs(value - mpmath.nint(value)) < TOLERANCE:
            value = mpmath.nint(value)
        return Fraction(int(rounding(value)))

    return rule


def _plain(function: Callable[[Any], Any]) -> Callable[[Value], Value]:
    def rule(value: Value) -> Value:
        _check_size(value)
        return function(as_float(value))

    return rule


def _log(value: Value, base: Value | None = None) -> Value:
    if value == 0 or base in (0, 1):
        raise Undefined("the logarithm of 0")
    return mpmath.log(as_float(value)) / (1 if base is None else mpmath.log(as_float(base)))


def _inverted(inverse: Callable[[Any], Any]) -> Callable[[Value], Value]:
    return _plain(lambda value: inverse(1 / value))


_INVERTED = {"cot": mpmath.atan, "sec": mpmath.acos, "csc": mpmath.asin}
_OF_NUMBERS = "sin cos tan cot sec csc sinh cosh tanh coth exp"
FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{name: _plain(getattr(mpmath, name)) for name in _OF_NUMBERS.split()},
    **{f"arc{name}": _plain(getattr(mpmath, f"a{name}")) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": _inverted(inverse) for name, inverse in _INVERTED.items()},
    "ln": _log, "log": _log, "lg": lambda value: _log(value, Fraction(10)),
    "abs": abs, "floor": _rounded(math.floor), "ceil": _rounded(math.ceil),
    "factorial": _factorial, "binom": _binom, "root": _root,
    "gcd": lambda *values: Fraction(math.gcd(*map(whole_number, values))),
    "lcm": lambda *values: Fraction(math.lcm(*map(whole_number, values))),
    "max": max, "min": min,
}  # fmt: skip
# What these say is about whole numbers, or cannot be seen between them.
WHOLE_NUMBER_FUNCTIONS = ("factorial", "binom", "floor", "ceil", "gcd", "lcm")
