# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What an answer says, as a tree."""

from collections.abc import Iterator, Sequence
from typing import Any

_MAX_ROWS = 4  # of a determinant, whose terms are their factorial


def words(text: str) -> frozenset[str]:
    """The words of a table that is written as a text."""
    return frozenset(text.split())


def renamed(node: Any, old: str, new: str) -> Any:
    """A tree with another name for one of its symbols."""
    if isinstance(node, Node):
        is_it = node.head in ("sym", "const") and node.parts == (old,)
        return Node("sym", new) if is_it else Node(node.head, *(renamed(part, old, new) for part in node.parts))
    return tuple(renamed(part, old, new) for part in node) if type(node) is tuple else node


def determinant(rows: Sequence[Sequence["Node"]]) -> "Node":
    """The determinant of a square matrix, as an expression of its entries.

    Raises:
        NotUnderstood: it is not square, or too large.
    """
    if len(rows) > _MAX_ROWS or any(len(row) != len(rows) for row in rows):
        raise NotUnderstood("the determinant of a matrix that is large or not square")
    total, *others = (
        Node("mul", entry, determinant([[*row[:column], *row[column + 1 :]] for row in rows[1:]]))
        if len(rows) > 1
        else entry
        for column, entry in enumerate(rows[0])
    )
    for column, term in enumerate(others, 1):
        total = Node("add", total, Node("neg", term) if column % 2 else term)
    return total


class NotUnderstood(ValueError):
    """A text that is no formula which the grammar reads as a whole."""


class Node(tuple[Any, ...]):
    """A head and its parts: ``Node("add", left, right)``. Equal trees are equal, whatever they were written as.

    Values: num, dec (a decimal), const (pi, e, i, infty), sym, sub (name, index), apply (name, arguments), add, neg,
    mul, div, pow, fn (name, arguments), series, pm, mp.
    Others: tuple (brackets, items), list (items, joints), set, union, inter, minus, builder, domain, matrix, cases, rel
    (operators, sides), cond, mod, ratio, quantity, percent, based (digits, base), dots, forms.
    """

    __slots__ = ()

    def __new__(cls, head: str, *parts: Any) -> "Node":
        return super().__new__(cls, (head, *parts))

    @property
    def head(self) -> str:
        return str(self[0])

    @property
    def parts(self) -> tuple[Any, ...]:
        return tuple(self[1:])

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        yield self
        for part in self[1:]:
            if isinstance(part, Node):
                yield from part.walk()
            elif type(part) is tuple:
                for each in part:
                    if isinstance(each, Node):
                        yield from each.walk()

    def has(self, *heads: str) -> bool:
        """Whether a node of these heads is in the tree."""
        return any(node.head in heads for node in self.walk())


UNIT_VECTORS = (Node("const", "i"), Node("sym", "j"), Node("sym", "k"))
