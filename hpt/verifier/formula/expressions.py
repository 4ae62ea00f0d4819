# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the grammar for expressions: sums, products and powers."""

import re
from fractions import Fraction

from hpt.verifier.formula.atoms import ATOMS, RELATIONS, Atoms
from hpt.verifier.formula.tokens import Token
from hpt.verifier.formula.tree import Node, NotUnderstood
from hpt.verifier.formula.units import AMBIGUOUS_UNITS, CURRENCIES, named, unit_of

_SETS = ("domain", "set", "union", "inter", "minus")
_SIGNS = {"+": "add", "pm": "pm", "mp": "mp"}
_BEFORE_VALUES = ("+", "-", "=", "approx", "<", ">", "le", "ge", ",", ";", "(", "and", "or")
_MINUS_ONE = Node("neg", Node("num", Fraction(1)))
_TRANSPOSED = Node("sym", "T")
_LABELS = re.compile(r"\(\d+\)\(\d+\)")


def _is_whole(node: Node | None) -> bool:
    return node is not None and node.head == "num"


class Expressions(Atoms):
    """Rules for values with operators."""

    def sum(self) -> Node:
        sign = self.take().text if self.sees("+", "-", "pm", "mp") else "+"
        currency = self.take() if self.word() in CURRENCIES and self.ahead().kind in ("number", "mark") else None
        found = self.product()
        if sign != "+":
            found = Node("neg", found) if sign == "-" else Node(sign, Node("num", Fraction(0)), found)
        while self.sees("+", "-", "pm", "mp"):
            sign = self.take().text
            while sign in ("+", "-") and self.sees("+", "-"):  # 14 + -1.0i
                sign = "+" if sign == self.take().text else "-"
            right = self.product()
            if sign == "-" and found.head in _SETS and right.head == "set":
                found = Node("minus", found, right)
                continue
            found = Node("add", found, Node("neg", right)) if sign == "-" else Node(_SIGNS[sign], found, right)
        if currency is not None:
            return Node("quantity", found, named(currency.text))
        return found

    def product(self) -> Node:
        found = self.factor()
        while True:
            if self.skip("*", "cdot", "times"):
                found = Node("mul", found, Node("neg", self.factor()) if self.skip("-") else self.factor())
            elif self.sees("/") and self.ahead().kind != "word":
                self.at += 1
                found = Node("div", found, self.power())
            elif self.starts_factor():
                found = self.implicit(found)
            else:
                return found

    def starts_factor(self) -> bool:
        token = self.token
        if token.kind == "letter":
            return not (token.run and self.is_unit(token))
        if token.kind == "command":
            return token.text in ATOMS
        if token.kind == "mark" and token.text in ("(", "[", "{"):
            return not self.is_condition()
        return token.kind == "number" or (token.kind == "mark" and token.text == "|" and self.bars == 0)

    def is_unit(self, run: Token) -> bool:
        """Whether letters side by side are a unit here, and not a product."""
        alone = self.at == 1 or self.tokens[self.at - 2].text in _BEFORE_VALUES
        if run.run in AMBIGUOUS_UNITS and not (self.tokens[self.at - 1].kind == "number" and alone and run.space):
            return False
        return unit_of(self.tokens[self.at :])[1] > 0

    def is_condition(self) -> bool:
        """Whether brackets with a relation inside stand here: ``x^2 (x > 0)``."""
        depth = 0
        for token in self.tokens[self.at :]:
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if depth == 0:
                return False
            if depth == 1 and token.text in RELATIONS:
                return True
        return False

    def factor(self) -> Node:
        """A power, or a mixed number."""
        found = self.power()
        if not _is_whole(found) or self.tokens[self.at - 1].kind != "number":
            return found
        if self.token.kind == "number":
            return self.mixed(found)
        if self.sees("frac"):
            fraction, *unit = self.power(), ()
            if fraction.head in ("percent", "quantity"):  # 12\frac12%
                (head, fraction, *unit) = fraction
            else:
                head, unit = "", []
            proper = fraction.head == "div" and all(map(_is_whole, fraction.parts))
            value = Node("add" if proper else "mul", found, fraction)
            return Node(head, value, *unit) if head else value
        return found

    def implicit(self, left: Node) -> Node:
        """A factor without a sign of multiplication before it."""
        if self.token.kind == "number" and self.tokens[self.at - 1].text != "!":
            raise NotUnderstood("numbers side by side")
        around = "".join(token.text for token in self.tokens[max(0, self.at - 3) : self.at + 3])
        if _LABELS.fullmatch(around):
            raise NotUnderstood("numbers in brackets side by side may be labels")
        return Node("mul", left, self.power())

    def mixed(self, whole: Node) -> Node:
        """``1 1/4``."""
        numerator = self.take().value
        denominator = self.take().value if self.skip("/") else None
        if not (_is_whole(whole) and _is_whole(numerator) and _is_whole(denominator)):
            raise NotUnderstood("numbers side by side")
        return Node("add", whole, Node("div", numerator, denominator))

    def power(self) -> Node:
        found = self.atom()
        while True:
            if self.sees("^") and "circ" in (self.ahead().text, self.ahead(2).text):
                found = self.degrees(found)
            elif self.skip("^"):
                exponent = self.argument()
                if exponent == _TRANSPOSED and found.head in ("matrix", "tuple"):
                    rows = found.parts[0] if found.head == "matrix" else (found.parts[1],)
                    return Node("matrix", tuple(zip(*rows, strict=True)))
                inverse = found.head == "sym" and exponent == _MINUS_ONE and found.parts[0] in "fgh" and self.sees("(")
                found = Node("pow", found, exponent)
                found = self.applied(found) if inverse else found
            elif self.sees("!") and self.ahead().text not in ("=", "!"):
                self.at += 1
                found = Node("fn", "factorial", (found,))
            elif self.skip("%"):
                found = Node("percent", found)
            elif self.sees("'") and (found.head in ("sym", "sub") or found[:2] == ("fn", "'")):
                self.at += 1
                found = Node("fn", "'", (found,))
                found = self.applied(found) if self.sees("(") else found
            else:
                return found

    def applied(self, function: Node) -> Node:
        arguments = self.group()
        return Node("apply", function, arguments.parts[1] if arguments.head == "tuple" else (arguments,))

    def degrees(self, value: Node) -> Node:
        r"""``45^\circ``, with minutes and seconds or with the letter of a temperature after it."""
        self.at += 1
        braces = self.skip("{")
        self.expect("circ")
        if braces:
            self.expect("}")
        if self.token.text in ("C", "F"):
            return Node("quantity", value, named("deg" + self.take().text))
        for scale in (60, 3600):
            if self.token.kind == "number" and self.ahead().text == "'":
                value = Node("add", value, Node("div", self.take().value, Node("num", Fraction(scale))))
                while self.skip("'"):
                    pass
        return Node("quantity", value, named("degree"))

    def argument(self) -> Node:
        r"""What follows ``^``, ``_`` or ``\frac``: a group, or one token."""
        if self.skip("{"):
            inner = self.answer()
            self.expect("}")
            return inner
        if self.skip("-"):
            return Node("neg", self.argument())
        if self.token.kind == "number" and self.token.text.isdecimal() and self.tokens[self.at - 1].kind == "command":
            digits = self.token.text  # \frac12
            self.tokens[self.at : self.at + 1] = [
                Token("number", each, Node("num", Fraction(int(each)))) for each in digits
            ]
        return self.atom()
