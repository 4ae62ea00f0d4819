# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Rewrite mathematical answers into forms that math-verify reads. Works on text, in time linear in its length."""

import re
from fractions import Fraction

# 0.1\overline{6}: sympy reads the overline as a variable's name. The number of digits is limited to keep integers
# small.
_REPEATING = re.compile(r"(?<![\d.])(-?)(\d{0,30})\.(\d{0,30})\\overline\s*\{\s*(\d{1,30})\s*\}")
# Characters and their commands. Unicode's compatibility forms do not serve, because they turn x\u00b2 into x2.
_CHARACTERS = str.maketrans(
    {
        "\u2212": "-", "\u2013": "-", "\u00d7": r"\times ", "\u00b7": r"\cdot ", "\u00f7": "/",
        "\u03c0": r"\pi ", "\u221e": r"\infty ", "\u2264": r"\le ", "\u2265": r"\ge ", "\u2260": r"\ne ",
        "\u222a": r"\cup ", "\u2205": r"\emptyset ", "\u00b0": r"^\circ ", "\u00b2": "^2", "\u00b3": "^3",
        "\u00bd": r"\frac{1}{2}", "\u00bc": r"\frac{1}{4}", "\u00be": r"\frac{3}{4}",
        "\u2153": r"\frac{1}{3}", "\u2154": r"\frac{2}{3}",
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    }
)  # fmt: skip
_ROOT = re.compile(r"\u221a\s*(?:\(([^()]*)\)|(\d+|[a-zA-Z]))")
_EMPHASIS = re.compile(r"\*\*|\\(?:boldsymbol|mathbf|bm)(?![a-zA-Z])|\\color\s*\{[^{}]*\}")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d{1,30}(?:\.\d{0,30})?)[eE]([+-]?\d{1,4})(?![\w.])")
# "5 dollars", "12 square units": words of three letters or more after a number; "5 or 6" is a list.
_WORDS = re.compile(r"^(-?[\d.,]{1,40})\s+[A-Za-z]{3,}(?:\s+[A-Za-z]{3,}){0,3}$")
_CURRENCY = re.compile(r"\\text\s*\{\s*\\\$\s*\}")
# "18 cm^2": without \text{} the letters would be variables.
_UNIT = re.compile(
    r"(?<=[\d)}])\s*(?:sq\.?\s*)?(?:mm|cm|km|m|in|ft|yd|mi|kg|g|mg|lb|oz|ml|mL|L|s|min|h|hr|units?|inches|feet|meters|miles)"
    r"\s*(?:\^\s*\{?\s*[23]\s*\}?|[\u00b2\u00b3])\s*$"
)
_MIXED = re.compile(r"^(-?\d{1,9})\s+(\d{1,9})\s*/\s*(\d{1,9})$")
_GROUPED = re.compile(r"^-?\d{1,3}(?:(?:\\[,;: ]|~|\u00a0|\u2009|\u202f| )\d{3})+$")
_ASSIGNMENT = re.compile(r"^\s*[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=\s*(?=[^=]+$)")
_BASE = re.compile(r"^\s*-?[0-9A-Za-z]+\s*_\s*\{?\s*(\d{1,2})\s*\}?\s*$")


def simplified(text: str) -> str:
    """The same answer in a form that math-verify reads.

    Removes a final full stop, emphasis, currency in text mode, and words and squared or cubed units after a number.
    Rewrites mathematical characters, scientific notation, repeating decimals, mixed numbers with a slash, and digits
    grouped by spaces.
    """
    text = _without_final_stop(text.strip())
    text = _EMPHASIS.sub("", text.translate(_CHARACTERS)).replace(r"\varnothing", r"\emptyset")
    text = _ROOT.sub(lambda found: rf"\sqrt{{{found[1] or found[2]}}}", text)
    text = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", text)
    text = _WORDS.sub(r"\1", text)
    text = _CURRENCY.sub(r"\\$", text)
    text = _REPEATING.sub(_as_fraction, text)
    if mixed := _MIXED.match(text):
        whole, numerator, denominator = mixed.groups()
        return rf"{whole}\frac{{{numerator}}}{{{denominator}}}"
    if _GROUPED.match(text):
        sign = "-" if text.startswith("-") else ""
        return sign + "".join(re.findall(r"\d", text))
    return _UNIT.sub("", text)


def without_assignment(text: str) -> str:
    """The right side of ``x = ...``; any other text unchanged."""
    return _ASSIGNMENT.sub("", text, count=1)


def base_of(text: str) -> str | None:
    """The base of a numeral written with a subscript (``2516_8``), or None.

    math-verify drops the subscript, so it would call numerals of different bases equal.
    """
    found = _BASE.match(text)
    return found[1] if found else None


def _without_final_stop(text: str) -> str:
    while text.endswith((".", ",", ";")) and not text.endswith((r"\right.", "..", r"\left.", r"\,", r"\;")):
        text = text[:-1].rstrip()
    return text


def _as_fraction(match: re.Match[str]) -> str:
    sign, whole, lead, period = match.groups()
    scale = 10 ** len(lead)
    value = Fraction(int((whole or "0") + lead), scale)
    value += Fraction(int(period), scale * (10 ** len(period) - 1))
    return rf"{sign}\frac{{{value.numerator}}}{{{value.denominator}}}"
