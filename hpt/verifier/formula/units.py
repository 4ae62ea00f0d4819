# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Units behind a number. A known unit has dimensions and a size; any other noun is a dimension of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hpt.verifier.formula.tokens import Token
from hpt.verifier.formula.tree import words

# Size in basic units, powers of basic units, names.
_TABLE = """
1 m: m meter meters metre metres \u7c73
1000 m: km kilometer kilometers kilometre kilometres \u5343\u7c73 \u516c\u91cc
1/10 m: dm decimeter decimeters
1/100 m: cm centimeter centimeters centimetre centimetres \u5398\u7c73
1/1000 m: mm millimeter millimeters millimetre millimetres \u6beb\u7c73
1/1000000 m: micrometer micrometers micron microns
1/1000000000 m: nm nanometer nanometers
0.0254 m: inch inches in
0.3048 m: foot feet ft
0.9144 m: yard yards yd yds
1609.344 m: mile miles mi
0.44704 m s-1: mph
5/18 m s-1: kmh kph
10000 m2: hectare hectares ha
1/1000 m3: L l liter liters litre litres \u5347
1/1000000 m3: mL ml cc milliliter milliliters \u6beb\u5347
0.003785411784 m3: gallon gallons gal
1 g: g gram grams \u514b
1000 g: kg kilogram kilograms kilo kilos \u5343\u514b \u516c\u65a4
1/1000 g: mg milligram milligrams
1000000 g: ton tons tonne tonnes
453.59237 g: pound pounds lb lbs
28.349523125 g: ounce ounces oz
1 s: s sec secs second seconds \u79d2
1/1000 s: ms millisecond milliseconds
60 s: min mins minute minutes \u5206\u949f
3600 s: h hr hrs hour hours \u5c0f\u65f6
86400 s: day days \u5929
604800 s: week weeks
1 year: year years yr yrs
1/12 year: month months
1000 g m s-2: N newton newtons
1000 g m2 s-2: J joule joules
1000000 g m2 s-2: kJ kilojoule kilojoules
1000 g m2 s-3: W watt watts
1000000 g m2 s-3: kW kilowatt kilowatts
1000 g m-1 s-2: Pa pascal pascals
1000000 g m-1 s-2: kPa
1 s-1: Hz hertz
1 V: V volt volts
1 A s: C coulomb coulombs
1 T: T tesla
1 F: F farad farads
1 eV: eV
1000 eV: keV
1000000 eV: MeV
1000000000 g m-1 s-2: MPa
1000 s-1: kHz
1000000 s-1: MHz
1/1000 V: mV
1000 V: kV
1/1000 A: mA
1 A: A amp amps ampere amperes
1 K: K kelvin
1 celsius: degC
1 fahrenheit: degF
1 mol: mol mole moles
1 degree: degree degrees deg \u5ea6
1 radian: rad rads radian radians
1 dollar: dollar dollars usd USD
1/100 dollar: cent cents
1 euro: euro euros eur EUR
1 gbp: gbp
1 percent: percent pct percentage
1 unit: unit units
"""


def _parsed(table: str) -> dict[str, tuple[Fraction, dict[str, int]]]:
    known = {}
    for line in table.strip().splitlines():
        described, _, names = line.partition(":")
        size, *bases = described.split()
        powers = {}
        for base in bases:
            letters = base.rstrip("-0123456789")
            powers[letters] = int(base[len(letters) :] or 1)
        known.update(dict.fromkeys(names.split(), (Fraction(size), powers)))
    return known


_UNITS = _parsed(_TABLE)
CURRENCIES = frozenset(("dollar", "euro", "gbp"))
_MULTIPLES = {"hundred": 100, "thousand": 1000, "lakh": 10**5, "million": 10**6, "crore": 10**7, "billion": 10**9,
              "trillion": 10**12, "dozen": 12}  # fmt: skip
MULTIPLES = {**_MULTIPLES, **{f"{name}s": size for name, size in _MULTIPLES.items()},
             "\u767e": 100, "\u5343": 1000, "\u4e07": 10**4, "\u4ebf": 10**8}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_AFTER = {"squared": 2, "cubed": 3}
# Words that change what a number says. A number with one of them is no quantity.
_BLOCKED = words(
    """
    and when while unless except not nor but plus minus times over mod modulo base factorial root power half third
    thirds quarter quarters double twice triple score gross pair pairs couple more less fewer least most above below
    under about around approximately almost nearly exactly between from through until than maybe perhaps probably
    possibly either neither else otherwise each every remainder choose squares negative positive infinite solution
    solutions where for all any some which that this are was the only also greater smaller larger equal equals into
    out off down even odd first last next other another same different value values choices one two three four five
    six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety zero number numbers
    halves wrong incorrect false reciprocal inverse opposite googol myriad tens permille conjugate imaginary cubes
    binary delta epsilon rho sigma tau phi chi psi omega minimum maximum approx roughly circa ish exclusive inclusive
    without several many multiple multiples factors prime primes january february march april may june july august
    september october november december
    \u500d \u6216 \u548c \u5230 \u81f3 \u4ee5\u4e0a \u4ee5\u4e0b \u5de6\u53f3 \u591a \u534a \u4e0d"""
)
# Products as often as units: m times g. They are units after a number and a space only.
AMBIGUOUS_UNITS = words("mg nm ms hr ha mi in mV mA kV min cc")
_SUFFIXES = ("th", "ths", "illion", "illions", "teen", "fold", "ed")  # tenths, quintillion, doubled
_JOINTS = ("-", "cdot", "*", "times", "of")
_AFTER_LETTERS = (",", ";", ")", "]", "}", "/", "=", "<", ">", "le", "ge")
_MAX_NOUNS, _MAX_POWER = 3, 9


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        size: in basic units.
        powers: of the basic units, those that are not 0.
        nouns: words that are no known unit, in the singular.
    """

    size: Fraction
    powers: tuple[tuple[str, int], ...]
    nouns: frozenset[str] = frozenset()

    @property
    def is_percent(self) -> bool:
        return self.powers == (("percent", 1),) and not self.nouns


def named(name: str) -> Unit:
    """A known unit."""
    size, powers = _UNITS[name]
    return Unit(size, tuple(powers.items()))


def unit_of(tokens: Sequence[Token]) -> tuple[Unit | None, int]:
    """The unit with which ``tokens`` begin, and how many of them it takes; (None, 0) if there is none."""
    size, powers, nouns, used, sign = Fraction(1), dict[str, int](), [], 0, 1
    while True:
        joint = _text(tokens, used) if used else ""
        after_slash = joint == "/" and tokens[0].space
        found = _single(tokens, used + (joint in ("/", "per", *_JOINTS)), after_slash)
        if found is None:
            break
        if used:
            sign = -1 if joint in ("/", "per") else sign if joint in _JOINTS else 1  # W/m*K
        name, power, used = found
        if name in _UNITS:
            factor, parts = _UNITS[name]
            size *= factor ** (sign * power)
            for base, each in parts.items():
                powers[base] = powers.get(base, 0) + sign * power * each
        else:
            nouns.append(_singular(name) + ("/" if sign < 0 else ""))
    if used == 0 or len(nouns) > _MAX_NOUNS:
        return None, 0
    return Unit(size, tuple(sorted((base, power) for base, power in powers.items() if power)), frozenset(nouns)), used


def _single(tokens: Sequence[Token], at: int, after_slash: bool = False) -> tuple[str, int, int] | None:
    """(name, power, index behind it) of the unit or noun at an index.

    After a slash h and s may be letters: ``5 km/h``.
    """
    power = 1
    if _text(tokens, at) in _POWERS:
        power, at = _POWERS[tokens[at].text], at + 1
        at += _text(tokens, at) == "."
    if at >= len(tokens):
        return None
    token = tokens[at]
    name = token.run or token.text
    if token.run:
        at += len(name)
    elif token.kind == "word" and token.text.isascii() and not (token.space or token.in_text or name in _UNITS):
        return None  # letters that are glued to a number
    elif token.kind == "word":
        name, at = name if name in _UNITS or len(name) < 3 else name.lower(), at + 1
    is_letter = after_slash and token.kind == "letter" and name in ("h", "s")
    at += is_letter
    is_known = name in _UNITS and (token.run or token.kind == "word" or is_letter)
    if not is_known and not (token.kind == "word" and _is_noun(name)):
        return None
    if _text(tokens, at) == "^":
        braces = _text(tokens, at + 1) == "{"
        at += 1 + braces
        negative = _text(tokens, at) == "-"
        digits = _text(tokens, at + negative)
        closed = not braces or _text(tokens, at + negative + 1) == "}"
        if not closed or not digits.isdecimal() or int(digits) > _MAX_POWER:
            return None
        power *= -int(digits) if negative else int(digits)
        if power == 0:
            return None
        return name, power, at + negative + 1 + braces
    if _text(tokens, at) in _POWERS_AFTER:
        return name, power * _POWERS_AFTER[tokens[at].text], at + 1
    # Letters side by side are a unit at the end only: "5 km", not "5 km x".
    if token.run and tokens[at].kind not in ("end", "word") and tokens[at].text not in _AFTER_LETTERS:
        return None
    return name, power, at


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) else ""


def _is_noun(word: str) -> bool:
    if word.lower() in _BLOCKED or word.lower() in MULTIPLES:
        return False
    if word.isascii() and word.lower().endswith(_SUFFIXES):
        return False
    return len(word) >= 3 if word.isascii() else len(word) <= 3


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
