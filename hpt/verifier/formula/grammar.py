# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Read a whole answer as a tree.

    answer    = item {("," | ";" | "and" | "or") item}
    item      = member {relation member} [domain]
    member    = sum {(union | intersection | minus) sum} [unit]
    sum       = [sign] product {("+" | "-" | "\pm") product}
    product   = power {["*" | "/"] power}
    power     = atom {"!" | "%" | degrees | "^" group}

The parser uses every token or raises :class:`NotUnderstood`. So no part of an answer is dropped.
"""

from fractions import Fraction

from hpt.verifier.formula.atoms import RELATIONS
from hpt.verifier.formula.expressions import Expressions
from hpt.verifier.formula.notation import cleaned, with_names
from hpt.verifier.formula.tokens import tokens
from hpt.verifier.formula.tree import Node, NotUnderstood
from hpt.verifier.formula.units import MULTIPLES, Unit, unit_of

_SETS = {"cup": "union", "cap": "inter", "setminus": "minus"}
_AFTER_ITEM = ("", ",", ";", "}", ")", "]", "and", "or")
_CONDITIONS = ("if", "when", "for", "where")
_DOMAINS = ("R", "Z", "N", "Q", "C")


def read(text: str, grouped: bool = True, short_arguments: bool = False) -> Node:
    r"""The tree of an answer.

    Args:
        text: the answer, without a box around it.
        grouped: read ``1,625`` as one number, not as a list of two.
        short_arguments: read ``\cos\theta v`` as a product, not as the cosine of one.

    Raises:
        NotUnderstood: a part of the text is not part of a formula.
    """
    try:
        return _Parser(tokens(with_names(cleaned(text)), grouped), short_arguments).whole()
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of too many digits
        raise NotUnderstood(str(error)) from None


class _Parser(Expressions):
    def whole(self) -> Node:
        answer = self.answer()
        if self.skip(":"):  # the same set in two forms
            answer = Node("forms", answer, self.answer())
        if self.token.kind != "end":
            raise NotUnderstood(f"got {self.token.text!r} after the answer")
        return answer

    def answer(self) -> Node:
        items, joints = [self.item()], []
        while (joint := self.separator()) is not None:
            joints.append(joint)
            items.append(self.item())
        return items[0] if len(items) == 1 else Node("list", tuple(items), tuple(joints))

    def separator(self) -> str | None:
        joint = "," if self.skip(",", ";") else None
        if self.word() in ("and", "or") or self.sees("and", "or"):
            joint = self.take().text.lower()
        return joint

    def item(self) -> Node:
        if self.skip("ldots"):
            return Node("dots")
        run = self.token.run
        if run.isupper() and self.ahead(len(run)).text in _AFTER_ITEM:  # ASA is not AAS
            self.at += len(run)
            return Node("sym", run)
        self.skip("=", "approx")
        sides, operators = [self.member()], []
        while (operator := self.relation()) is not None:
            side = self.member()
            if operator == "in" and side.head == "sym" and side.parts[0] in _DOMAINS:
                side = Node("domain", side.parts[0])
            operators.append(operator)
            sides.append(side)
        found = Node("rel", tuple(operators), tuple(sides)) if operators else sides[0]
        if self.skip("pmod", "mod", "bmod"):
            found = Node("mod", found, self.argument())
        if self.word() in _CONDITIONS and operators:
            self.at += 1
            return Node("cond", found, self.item())
        if self.sees("("):
            return Node("cond", found, self.group())
        return found

    def relation(self) -> str | None:
        if self.sees("!") and self.ahead().text == "=":
            self.at += 2
            return "!="
        if not self.sees(*RELATIONS):
            return None
        operator = RELATIONS[self.take().text]
        if operator in ("<", ">") and self.skip("="):
            operator += "="
        elif operator == "=":
            self.skip("=")
        return operator

    def member(self) -> Node:
        found = self.sum()
        while self.sees(*_SETS):
            operation, right = _SETS[self.take().text], self.sum()
            is_number = operation == "minus" and right.head in ("num", "neg")  # without 0: without {0}
            found = Node(operation, found, Node("set", (right,)) if is_number else right)
        if self.sees(":") and self.ahead().kind in ("number", "letter") and self.bars == 0:
            found = self.attempt(lambda: self.ratio(found)) or found
        return self.measured(_lifted(found))

    def ratio(self, first: Node) -> Node:
        items = [first]
        while self.skip(":"):
            items.append(Node("dots") if self.skip("ldots") else self.sum())
        half = self.take().text.lower() if self.word() in ("am", "pm") else None
        return Node("ratio", tuple(items), half)

    def measured(self, value: Node) -> Node:
        """A value with the multiples and the unit that stand after it."""
        while self.word() in MULTIPLES:
            multiple = Node("num", Fraction(MULTIPLES[self.take().text.lower()]))
            amount, *unit_before = value.parts if value.head == "quantity" else (value,)
            value = Node("mul", amount, multiple)
            value = Node("quantity", value, *unit_before) if unit_before else value
        if value.head == "quantity":
            return value
        unit = self.unit()
        if unit is None or unit.is_percent:
            return value if unit is None else Node("percent", value)
        total = Node("quantity", value, unit)
        while self.token.kind == "number" and (more := self.attempt(self.number_with_unit)) is not None:  # 3 h 20 min
            number, smaller = more.parts
            if smaller.powers != unit.powers or smaller.size >= unit.size:
                raise NotUnderstood("quantities side by side")
            ratio = Node("num", smaller.size / unit.size)
            total = Node("quantity", Node("add", total.parts[0], Node("mul", number, ratio)), unit)
        return total

    def unit(self) -> Unit | None:
        found, used = unit_of(self.tokens[self.at :])
        self.at += used
        return found

    def number_with_unit(self) -> Node:
        number, unit = self.sum(), self.unit()
        if unit is None:
            raise NotUnderstood("numbers side by side")
        return Node("quantity", number, unit)


def _lifted(node: Node) -> Node:
    """A sum or a signed value with the percent sign or the degrees behind the whole: -(20%) as (-20)%."""
    if node.head not in ("neg", "pm", "mp", "add"):
        return node
    parts = [_lifted(part) for part in node.parts]
    measured = [part for part in parts if part.head in ("percent", "quantity")]
    if not measured:
        return node
    unit = measured[0].parts[1:]
    angle = len(unit) == 1 and unit[0].powers == (("degree", 1),)
    signed = node.head == "neg" or (node.head in ("pm", "mp") and parts[0] == Node("num", Fraction(0)))
    if not signed and not (angle and all(part.parts[1:] == unit for part in measured)):
        return node
    return Node(
        measured[0].head, Node(node.head, *(each.parts[0] if each in measured else each for each in parts)), *unit
    )
