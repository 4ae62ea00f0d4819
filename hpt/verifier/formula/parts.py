# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of an answer's tree: its name, its items, its domain, the end of a chain."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hpt.verifier.formula.equality import is_constant, is_near, is_value, same_value
from hpt.verifier.formula.tree import UNIT_VECTORS, Node, words

_UNKNOWNS = (Node("sym", "x"), Node("sym", "y"), Node("sym", "t"), Node("sym", "n"))
# An eccentricity is called e.
_CONSTANT_NAMES = (Node("const", "e"), Node("const", "i"))
_VARIABLES = words("x y z t u theta")  # of an integration
_CONSTANTS_OF_INTEGRATION = (Node("sym", "C"), Node("sym", "c"))
_NOON = 12
_MEASURES = ("abs", "sin", "cos", "tan", "cot")
MINUS_ONE = Node("neg", Node("num", Fraction(1)))


def label_of(node: Node) -> Node | None:
    """The name in ``x = 5``, ``f(x) = 5``, ``(x, y) = (1, 2)``; None if there is none."""
    if node.head != "rel" or node.parts[0][0] not in ("=", "~"):
        return None
    name, *others = node.parts[1]
    if len(others) > 1 and all(map(_is_number, others[:-1])) and is_constant(others[-1]) and _is_sum_of_names(name):
        return name  # m + n = 25 + 12 = 37
    if name in _CONSTANT_NAMES or _is_geometric(name):
        return name if all(map(is_constant, others)) else None
    if name.head == "pow":  # the inverse of a matrix
        is_name = name.parts[0].head == "sym" and name.parts[1] == MINUS_ONE and others[0].head == "matrix"
    elif name.head in ("union", "inter", "minus"):
        is_name = all(part.head == "sym" for part in name.parts)
    elif name.head == "fn" and name.parts[0] != "'":  # |z|, cos A
        is_name = name.parts[0] in _MEASURES and len(name.parts[1]) == 1 and _is_measured(name.parts[1][0])
    elif name.head == "div":  # dy/dx
        is_name = not is_constant(name) and not name.has("num", "dec")
    elif name.head == "tuple":
        is_name = all(each.head in ("sym", "sub") for each in name.parts[1])
    elif name.head == "mul":  # f'(x), f^{-1}(x)
        function, argument = name.parts
        inverse = function.head == "pow" and function.parts[0].head == "sym" and function.parts[1] == MINUS_ONE
        is_name = argument.head == "sym" and (inverse or function[:2] == ("fn", "'"))
    else:
        is_name = name.head in ("sym", "sub", "apply") or (name.head == "fn" and name.parts[0] == "'")
    return name if is_name else None


def _is_number(node: Node) -> bool:
    return is_value(node) and is_constant(node)


def _is_sum_of_names(node: Node) -> bool:
    return not node.has("num", "dec", "neg", "pow", "fn", "quantity", "percent")


def _is_measured(node: Node) -> bool:
    return (node.head == "sym" and node not in _UNKNOWNS) or _is_geometric(node)


def _is_geometric(node: Node) -> bool:
    """Whether a tree names a figure by its corners: AB, or the angle ABC."""
    letters = [each.parts[0] for each in node.walk() if each.head == "sym"]
    corners = [letter for letter in letters if letter not in ("angle", "triangle")]
    only_products = all(each.head in ("mul", "sym") for each in node.walk())
    return (
        only_products
        and len(letters) > 1
        and len(corners) > 0
        and all(len(each) == 1 and each.isupper() for each in corners)
    )


def without_label(node: Node) -> Node:
    if label_of(node) is None:
        return node
    operators, sides = node.parts
    values = sides[1:]
    constants = [value for value in values if is_value(value) and is_constant(value)]
    shortened = len(values) > 1 and values[-1] in constants and all(map(is_value, values))
    if shortened and all(same_value(each, values[-1]) for each in constants):
        return sides[-1]  # cos A = (b^2 + c^2 - a^2)/2bc = 1/2
    return sides[1] if len(sides) == 2 else Node("rel", operators[1:], sides[1:])


def end_of_chain(node: Node) -> Node | None:
    """The value of ``2 + 3 = 5`` or ``40/3 = 13.3 (rounded)``, whose sides are equal; None if they are not.

    It is the last side before the rounded ones. A unit behind the last side is the unit of all.
    """
    if node.head != "rel" or not set(node.parts[0]) <= {"=", "~"}:
        return None
    operators, sides = node.parts
    last = sides[-1]
    measured = last.head in ("quantity", "percent")
    values = (*sides[:-1], last.parts[0]) if measured else sides
    exact = operators.index("~") if "~" in operators else len(operators)
    if not all(map(is_value, values)) or not all(same_value(*pair) for pair in pairwise(values[: exact + 1])):
        return None
    if not all(is_near(values[exact], value) for value in values[exact + 1 :]):
        return None
    return Node(last.head, values[exact], *last.parts[1:]) if measured else values[exact]


def items_of(node: Node) -> list[Node] | None:
    """The values of a list or of a plus-minus, each with the name before it; None for a single value."""
    if node.head == "cond":
        return list(node.parts)
    if node.head == "list":
        items: list[Node] = []
        before: tuple[str, Node] | None = None
        for item in node.parts[0]:
            if label_of(item) is not None or (item.head == "rel" and item.parts[0] == ("!=",)):
                before = item.parts[0][0], item.parts[1][0]
            unnamed = before is not None and item.head not in ("rel", "dots")
            named = Node("rel", (before[0],), (before[1], item)) if before and unnamed else item
            items.extend(items_of(named) or [named])
        return items
    if node.head == "rel" and len(node.parts[1]) > 2 and set(node.parts[0]) == {"="}:  # a = b = 2
        *names, value = node.parts[1]
        if is_constant(value) and all(name.head in ("sym", "sub") for name in names):
            return [Node("rel", ("=",), (name, value)) for name in names]
    if node.has("pm", "mp") and node.head not in ("set", "matrix", "cases"):
        return [_branch(node, sign) for sign in (1, -1)]
    return None


def _branch(node: Any, sign: int) -> Any:
    """The tree with the upper (1) or the lower (-1) signs."""
    if isinstance(node, Node):
        if node.head in ("pm", "mp"):
            left, right = (_branch(part, sign) for part in node.parts)
            return Node("add", left, right if (sign == 1) == (node.head == "pm") else Node("neg", right))
        return Node(node.head, *(_branch(part, sign) for part in node.parts))
    return tuple(_branch(part, sign) for part in node) if type(node) is tuple else node


def without_domain(node: Node) -> tuple[Node, Node | None]:
    r"""A tree without the domain of a parameter at its end, and the domain: ``2k\pi, k \in \mathbb{Z}``."""
    *rest, last = node.parts[0] if node.head == "list" else node.parts if node.head == "cond" else (node,)
    if not rest or last.head != "rel" or last.parts[0] != ("in",) or last.parts[1][1].head != "domain":
        return node, None
    if not any(last.parts[1][0] in item.walk() for item in rest):
        return node, None
    return (rest[0] if len(rest) == 1 else Node("list", tuple(rest), node.parts[1][:-1])), last


def is_system(items: list[Node]) -> bool:
    """Whether the items give symbols their values in alphabetical order, as in "x = 2, y = 3", which is (2, 3)."""
    names = [label_of(item) for item in items]
    letters = [str(name.parts[0]) for name in names if name is not None and name.head == "sym"]
    return len(letters) == len(items) > 1 and letters == sorted(set(letters))


def named_entries(node: Node) -> list[Node]:
    """``x = 1`` and ``y = 2`` of ``(x, y) = (1, 2)``; nothing if the sides do not fit."""
    names, values = node.parts[1][0], node.parts[1][-1]
    if values.head != "tuple" or len(values.parts[1]) != len(names.parts[1]):
        return []
    return [Node("rel", ("=",), pair) for pair in zip(names.parts[1], values.parts[1], strict=True)]


def integral_of(node: Node) -> Node | None:
    """``x^2`` of ``x^2 + C``; None without the constant of an integration behind a function of a variable."""
    if node.head != "add" or node.parts[1] not in _CONSTANTS_OF_INTEGRATION:
        return None
    symbols = {each.parts[0] for each in node.parts[0].walk() if each.head in ("sym", "sub")}
    return node.parts[0] if symbols and symbols <= _VARIABLES else None


def terms_of_vector(node: Node) -> dict[Node, Node] | None:
    """``3i`` and ``4j`` of ``3i + 4j`` by their unit vectors; None for another expression.

    There are two terms at least: a letter alone may be an imaginary unit or a parameter.
    """
    found: dict[Node, Node] = {}
    for term in _terms(node):
        units = [unit for unit in UNIT_VECTORS if unit in term.walk()]
        if len(units) != 1 or units[0] in found or not is_value(term):
            return None
        found[units[0]] = term
    return found if len(found) > 1 else None


def _terms(node: Node) -> list[Node]:
    if node.head == "add":
        return [term for part in node.parts for term in _terms(part)]
    return [Node("neg", term) for term in _terms(node.parts[0])] if node.head == "neg" else [node]


def has_entries(terms: dict[Node, Node], entries: Sequence[Node]) -> bool:
    """Whether a vector, given by its terms, has these entries."""
    units = UNIT_VECTORS[: len(entries)]
    return (
        set(terms) <= set(units)
        and len(units) == len(entries)
        and all(
            is_value(entry) and same_value(Node("mul", entry, unit), terms.get(unit, Node("num", Fraction(0))))
            for entry, unit in zip(entries, units, strict=True)
        )
    )


def on_24_hours(items: Sequence[Node], half: str | None) -> Sequence[Node]:
    """The hour and what follows on a clock of 24 hours; nothing if it may be another time."""
    hour = items[0].parts[0] if items[0].head == "num" else 0
    if half is None:
        return items if hour > _NOON else ()
    return (Node("num", hour + _NOON), *items[1:]) if half == "pm" and 0 < hour < _NOON else ()


def scaled(matrix: Node, factor: Node) -> Node:
    return Node("matrix", tuple(tuple(Node("mul", factor, entry) for entry in row) for row in matrix.parts[0]))
