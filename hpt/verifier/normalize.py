r"""Dresses of mathematical answers that math-verify does not take off. Pure text, linear in its length."""

import re
from fractions import Fraction

# 0.1\overline{6}: sympy reads the overline as a variable's name. Few digits: Python's integers are exact, not free.
_REPEATING = re.compile(r"(?<![\d.])(-?)(\d{0,30})\.(\d{0,30})\\overline\s*\{\s*(\d{1,30})\s*\}")
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


def undress(text: str) -> str:
    """The same answer in a form that math-verify reads.

    Takes off the full stop at the end, reads repeating decimals, mixed numbers with a slash, digits grouped by spaces,
    currency in text mode, and squared or cubed units.
    """
    text = _without_final_stop(text.strip())
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
    """The right side of ``x = ...``; other text as it is."""
    return _ASSIGNMENT.sub("", text, count=1)


def base_of(text: str) -> str | None:
    """The base of a numeral written with a subscript (``2516_8``), or None.

    math-verify drops the subscript, so numerals of different bases would be equal to it.
    """
    found = _BASE.match(text)
    return found[1] if found else None


def _without_final_stop(text: str) -> str:
    while text.endswith((".", ",", ";")) and not text.endswith(
        (r"\right.", "..", r"\left.", r"\,", r"\;")
    ):
        text = text[:-1].rstrip()
    return text


def _as_fraction(match: re.Match[str]) -> str:
    sign, whole, lead, period = match.groups()
    scale = 10 ** len(lead)
    value = Fraction(int((whole or "0") + lead), scale)
    value += Fraction(int(period), scale * (10 ** len(period) - 1))
    return rf"{sign}\frac{{{value.numerator}}}{{{value.denominator}}}"
