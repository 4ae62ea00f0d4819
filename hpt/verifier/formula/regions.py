# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Sets of real numbers: intervals, unions, set builders and inequalities in one variable.

Two of them are equal if they have the same members at all their end points, between these, beyond them and on a grid.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath

from hpt.verifier.formula.functions import DIGITS, Undefined, are_close, as_float
from hpt.verifier.formula.numeric import Point, value_of
from hpt.verifier.formula.tree import Node

_GRID, _FAR = 60, 1000
_MAX_ENDS = 40
# Values of other symbols; some of them make both sets empty, and say nothing.
_SEEDS, _LOOKS = range(12), 4
_INEQUALITIES = {"<", ">", "<=", ">=", "!="}
_OPERATIONS: dict[str, Callable[[bool, bool], bool]] = {
    "union": lambda a, b: a or b,
    "inter": lambda a, b: a and b,
    "minus": lambda a, b: a and not b,
}


class _NoRegion(Exception):
    """It is no set of real numbers, or not one that this module compares."""


def same_region(left: Node, right: Node) -> bool | None:
    """Whether two sets of real numbers are equal; None if this is not what is compared."""
    if not (_is_region(left) and _is_region(right)) or not (_is_only_region(left) or _is_only_region(right)):
        return None
    first, second = _variables(left), _variables(right)
    if first and second:
        if len(first) == len(second) == 1 and first != second:
            return False
        names = first & second
    else:
        names = (first | second) - {each.parts[0] for each in (right if first else left).walk() if each.head == "sym"}
    if len(names) > 1 or (not names and (first or second)):
        return None
    if not (_is_solved(left, names) and _is_solved(right, names)):
        return None
    looked = 0
    for seed in _SEEDS:
        try:
            with mpmath.workdps(DIGITS):
                equal = _have_same_members(_Region(left, names, seed), _Region(right, names, seed))
        except (_NoRegion, Undefined):
            continue
        if equal is False:
            return False
        looked += equal is True
        if looked == _LOOKS:
            break
    return True if looked else None


def _is_region(node: Node) -> bool:
    """Whether a tree may be a set of real numbers."""
    if node.head == "tuple":
        return len(node.parts[1]) == 2 and len(node.parts[0]) == 2
    if node.head in _OPERATIONS:
        return all(map(_is_region, node.parts))
    if node.head == "builder":
        head, condition = node.parts
        member = head.parts[1][0] if _is_in_reals(head) else head
        names = _variables(condition)
        return member.head == "sym" and _is_region(condition) and (not names or member.parts[0] in names)
    if node.head == "rel":
        operators, sides = node.parts
        return set(operators) <= _INEQUALITIES or (
            operators == ("in",) and sides[0].head == "sym" and _is_region(sides[1])
        )
    if node.head == "list":
        return all(map(_is_only_region, node.parts[0]))
    return node.head == "set" or node == Node("domain", "R")


def _is_only_region(node: Node) -> bool:
    """Whether a tree is a set of real numbers and nothing else; ``(0, 1)`` may be a point, and ``{1, 2}`` a list."""
    if node.head == "tuple":
        infinite = any(each == Node("const", "infty") for end in node.parts[1] for each in end.walk())
        return _is_region(node) and (node.parts[0] in ("[)", "(]") or infinite)
    return node.head != "set" and _is_region(node)


def _is_in_reals(node: Node) -> bool:
    return node.head == "rel" and node.parts[0] == ("in",) and node.parts[1][1] == Node("domain", "R")


def _relations(node: Node) -> Iterator[Node]:
    return (each for each in node.walk() if each.head == "rel" and set(each.parts[0]) <= _INEQUALITIES)


def _variables(node: Node) -> set[str]:
    """Names that the variable of all inequalities may have; none if there is no inequality."""
    found: list[set[str]] = []
    for relation in _relations(node):
        sides = relation.parts[1]
        inner = map(_inside_bars, sides if len(sides) == 2 else sides[1:-1])
        alone = {side.parts[0] for side in inner if side.head == "sym"}
        symbols = {each.parts[0] for side in sides for each in side.walk() if each.head == "sym"}
        found.append(alone or (symbols if len(symbols) == 1 else {"", "no variable"}))
    if node.head == "rel" and node.parts[0] == ("in",) and node.parts[1][0].head == "sym":
        found.append({node.parts[1][0].parts[0]})
    return set.intersection(*found) or {"", "no variable"} if found else set()


def _is_solved(node: Node, names: set[str]) -> bool:
    """Whether the variable or its absolute value stands alone in each inequality, so that all end points are known."""
    sides = [_inside_bars(side) for relation in _relations(node) for side in relation.parts[1]]
    return all(
        side.head == "sym" or not any(each.head == "sym" and each.parts[0] in names for each in side.walk())
        for side in sides
    )


def _inside_bars(node: Node) -> Node:
    return node.parts[1][0] if node.head == "fn" and node.parts[0] == "abs" else node


def _have_same_members(left: "_Region", right: "_Region") -> bool | None:
    """None if both are empty."""
    ends = sorted(end for end in {*left.ends(left.node), *right.ends(right.node)} if not mpmath.isinf(end))
    if len(ends) > _MAX_ENDS:
        raise _NoRegion
    low, high = (ends[0], ends[-1]) if ends else (mpmath.mpf(0), mpmath.mpf(0))
    between = [(a + b) / 2 for a, b in pairwise(ends)]
    grid = [low - 1 + (high - low + 2) / _GRID * index for index in range(_GRID + 1)]
    members = (*ends, *between, *grid, low - _FAR, high + _FAR)
    found = [(left.has(left.node, each), right.has(right.node, each)) for each in members]
    if any(first != second for first, second in found):
        return False
    return True if any(first for first, _ in found) else None


@dataclass(frozen=True)
class _Region:
    """A set of real numbers.

    Attributes:
        node: its tree.
        names: the name of the variable of its inequalities; none if there are none.
        seed: gives all other symbols their values.
    """

    node: Node
    names: set[str]
    seed: int

    def value(self, node: Node, member: Any = None, branch: int = 1) -> Any:
        given = {} if member is None else dict.fromkeys(self.names, member)
        value = value_of(node, Point(self.seed, branch=branch, negative=self.seed % 2 == 1, given=given))
        if isinstance(value, mpmath.mpc):
            raise _NoRegion
        return as_float(value)

    def ends(self, node: Node) -> Iterator[Any]:
        """Every number at which membership may change."""
        if node.head in ("tuple", "set"):
            for item in node.parts[-1]:
                yield self.value(item)
        elif node.head == "rel":
            for side in node.parts[1]:
                if _is_region(side):
                    yield from self.ends(side)
                elif not any(each.head == "sym" and each.parts[0] in self.names for each in side.walk()):
                    for branch in (1, -1):
                        end = self.value(side, branch=branch)
                        yield from (end, -end)  # |x| < 3
        elif node.head != "domain":
            for part in node.parts[0] if node.head == "list" else node.parts:
                yield from self.ends(part) if _is_region(part) else ()

    def has(self, node: Node, member: Any) -> bool:
        """Whether a number is a member."""
        if node.head == "tuple":
            return self._interval_has(node, member)
        if node.head == "set":
            return any(are_close(self.value(item), member) for item in node.parts[0])
        if node.head in _OPERATIONS:
            return _OPERATIONS[node.head](*(self.has(part, member) for part in node.parts))
        if node.head == "builder":
            return self.has(node.parts[1], member)
        if node.head == "list":
            return self._list_has(node, member)
        if node.head == "rel":
            operators, sides = node.parts
            if operators == ("in",):
                return self.has(sides[1], member)
            return all(self._holds(each, *pair, member) for each, pair in zip(operators, pairwise(sides), strict=True))
        return True  # all real numbers

    def _interval_has(self, node: Node, member: Any) -> bool:
        opening, closing = node.parts[0]
        low, high = map(self.value, node.parts[1])
        if low >= high or (mpmath.isinf(low) and opening == "[") or (mpmath.isinf(high) and closing == "]"):
            raise _NoRegion
        if are_close(low, member) or are_close(high, member):
            return bool(opening == "[" if are_close(low, member) else closing == "]")
        return bool(low < member < high)

    def _list_has(self, node: Node, member: Any) -> bool:
        """Joined by "or", or by commas if no number could satisfy them all, the items are alternatives."""
        items, joints = node.parts
        each = [self.has(item, member) for item in items]
        if "or" in joints:
            return any(each)
        if "and" in joints or all(item.head == "rel" and item.parts[0] == ("!=",) for item in items):
            return all(each)
        ends = sorted(self.ends(node))
        if not ends:
            return any(each)
        probes = [*ends, *((a + b) / 2 for a, b in pairwise(ends)), ends[0] - 1, ends[-1] + 1]
        overlap = any(all(self.has(item, probe) for item in items) for probe in probes)
        return all(each) if overlap else any(each)

    def _holds(self, operator: str, left: Node, right: Node, member: Any) -> bool:
        """Whether an inequality holds, for both signs of a plus-minus."""
        for branch in (1, -1) if left.has("pm") or right.has("pm") else (1,):
            first, second = (self.value(side, member, branch) for side in (left, right))
            if are_close(first, second):
                holds = operator in ("<=", ">=")
            else:
                holds = operator == "!=" or (first < second) == (operator[0] == "<")
            if not holds:
                return False
        return True
