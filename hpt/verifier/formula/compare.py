# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Whether two trees say the same.

Three things may be left out on one side, and nothing else: the name of what is computed (``x = 5`` and ``5``), a unit
(``5 cm`` and ``5``), and the domain of a parameter (``2k\pi, k \in \mathbb{Z}``). What both sides have must agree.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

from hpt.verifier.formula.equality import (
    is_constant,
    is_literal,
    is_near_zero,
    is_shifted,
    is_value,
    proportional,
    same_value,
)
from hpt.verifier.formula.parts import (
    MINUS_ONE,
    end_of_chain,
    has_entries,
    integral_of,
    is_system,
    items_of,
    label_of,
    named_entries,
    on_24_hours,
    scaled,
    terms_of_vector,
    without_domain,
    without_label,
)
from hpt.verifier.formula.regions import same_region
from hpt.verifier.formula.tree import Node, renamed

_COMPARED = ("=", "!=", "<", ">", "<=", ">=")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_DEGREE = Node("div", Node("const", "pi"), Node("num", Fraction(180)))
_MAX_ITEMS = 60  # of lists and sets that are not written alike
_VECTORS = frozenset(("()", "langlerangle", ""))  # in these brackets two numbers are no interval


def same(left: Node, right: Node) -> bool:
    """Whether two answers say the same; it does not matter which one is the gold answer."""
    if left == right:
        return True
    left, right = _one_form(left), _one_form(right)
    for rule in _RULES:
        verdict = rule(left, right)
        if verdict is not None:
            return verdict
    return same_value(left, right)


def _one_form(node: Node) -> Node:
    """A second form "A: B" of the same set replaces the first, and a multiple of a matrix becomes a matrix."""
    if node.head == "forms" and same(*node.parts):
        return node.parts[1]
    if node.head == "rel":
        return Node("rel", node.parts[0], tuple(map(_one_form, node.parts[1])))
    if node.head == "neg" and (matrix := _one_form(node.parts[0])).head == "matrix":
        return scaled(matrix, MINUS_ONE)
    if node.head == "mul" and is_value(node.parts[0]) and (matrix := _one_form(node.parts[1])).head == "matrix":
        return scaled(matrix, node.parts[0])
    return node


# ---- rules: each answers for the pairs that are its business, and says None to others


def _builders(left: Node, right: Node) -> bool | None:
    if "builder" not in (left.head, right.head):
        return None
    return left.head == right.head and all(map(same, left.parts, right.parts))


def _domains(left: Node, right: Node) -> bool | None:
    (left, first), (right, second) = without_domain(left), without_domain(right)
    if first is None and second is None:
        return None
    if first is not None and second is not None:
        (name, domain), (other_name, other) = first.parts[1], second.parts[1]
        if domain != other:
            return False
        right = renamed(right, other_name.parts[0], name.parts[0])
    return same(left, right)


def _lists(left: Node, right: Node) -> bool | None:
    first, second = items_of(left), items_of(right)
    if first is None and second is None:
        return None
    joints = [set(side.parts[1]) - {","} if side.head == "list" else set() for side in (left, right)]
    labels = {label_of(item) for item in first or ()}
    # "x = 1 and x = 4" can only mean "or".
    alternatives = (
        None not in labels and len(labels) == 1 and all(is_constant(without_label(each)) for each in first or ())
    )
    if all(joints) and joints[0] != joints[1] and not alternatives and any(item.head == "rel" for item in first or ()):
        return False  # "m > 0 and n < 5", "m > 0 or n < 5"
    if first is None or second is None:
        single, items = (left, second) if first is None else (right, first)
        assert items is not None
        if single.head == "set":
            return _matched(items, _distinct(single.parts[0]))
        if single.head == "rel" and single.parts[1][0].head == "tuple" and label_of(single) is not None:
            return _matched(items, named_entries(single))
        if single.head == "tuple" and is_system(items):
            return same(Node("tuple", "()", tuple(map(without_label, items))), single)
        several = left if first is not None else right
        repeated = several.head != "list" or set(several.parts[1]) == {"or"}  # "7 or 7" is 7
        return repeated and all(same(item, single) for item in items)
    names = [{label_of(item) for item in items} - {None} for items in (first, second)]
    in_order = any(item.head == "dots" for item in (*first, *second)) or (
        bool(names[0]) != bool(names[1]) and len(names[0] | names[1]) > 1  # "x = 1, y = 2" and "1, 2"
    )
    if bool(names[0]) != bool(names[1]) and len(names[0] | names[1]) > 1:
        named = first if names[0] else second
        if not is_system(named) and not any(item.head == "rel" and label_of(item) is None for item in named):
            return False
    if in_order:
        return len(first) == len(second) and all(map(same, first, second))
    return _matched(first, second)


def _matched(first: Sequence[Node], second: Sequence[Node]) -> bool:
    """Whether each item has a partner on the other side, in any order."""
    common = Counter(first) & Counter(second)
    rest, left = (list((Counter(items) - common).elements()) for items in (first, second))
    if len(rest) != len(left) or len(rest) > _MAX_ITEMS:
        return False
    for item in rest:
        partner = next((index for index, each in enumerate(left) if _same_member(item, each)), None)
        if partner is None:
            return False
        del left[partner]
    return not left


def _same_member(left: Node, right: Node) -> bool:
    """A set is no member's value: {2} in a set is not 2."""
    return (left.head == "set") == (right.head == "set") and same(left, right)


def _sets(left: Node, right: Node) -> bool | None:
    if "set" not in (left.head, right.head):
        return None
    if left.head == right.head:
        return _matched(_distinct(left.parts[0]), _distinct(right.parts[0]))
    members, other = (left.parts[0], right) if left.head == "set" else (right.parts[0], left)
    if other.head == "rel":
        return None
    return len(members) == 1 and is_value(other) and same(members[0], other)


def _distinct(items: Sequence[Node]) -> list[Node]:
    flat = list(dict.fromkeys(each for item in items for each in (items_of(item) or [item])))
    if len(flat) > _MAX_ITEMS:
        return flat
    return [item for index, item in enumerate(flat) if not any(_same_member(item, each) for each in flat[:index])]


def _ratios(left: Node, right: Node) -> bool | None:
    if "ratio" not in (left.head, right.head):
        return None
    if left.head != right.head:
        return False
    (first, half), (second, other_half) = left.parts, right.parts
    if half != other_half:  # 3:45 pm is 15:45
        first, second = on_24_hours(first, half), on_24_hours(second, other_half)
    return 0 < len(first) == len(second) and all(map(same, first, second))


def _congruences(left: Node, right: Node) -> bool | None:
    if "mod" not in (left.head, right.head):
        return None
    if left.head != right.head or not same(left.parts[1], right.parts[1]):
        return False
    first, second = left.parts[0], right.parts[0]
    if first.head != "rel" or second.head != "rel":
        return same(first, second)
    if any(all(map(same, first.parts[1], sides)) for sides in (second.parts[1], second.parts[1][::-1])):
        return first.parts[0] == second.parts[0]  # 2x = 6 is no x = 3 modulo 8
    if label_of(first) is None or label_of(first) != label_of(second) or first.has("dec") or second.has("dec"):
        return False
    turns = Node("div", Node("add", without_label(first), Node("neg", without_label(second))), left.parts[1])
    return is_value(turns) and is_constant(turns) and same_value(turns, Node("fn", "floor", (turns,)))


def _numerals(left: Node, right: Node) -> bool | None:
    """The digits count, not the value: 204_5 is not the answer 54. Only the base may be left out."""
    if "based" not in (left.head, right.head):
        return None
    if left.head == right.head:
        return left == right
    numeral, other = (left, right) if left.head == "based" else (right, left)
    if label_of(other) is not None:
        return same(numeral, without_label(other))
    return numeral.parts[0].isdecimal() and other == Node("num", Fraction(numeral.parts[0]))


def _percents(left: Node, right: Node) -> bool | None:
    if "percent" not in (left.head, right.head) or "rel" in (left.head, right.head):
        return None
    if left.head == right.head:
        return same(left.parts[0], right.parts[0])
    share, other = (left.parts[0], right) if left.head == "percent" else (right.parts[0], left)
    if same_value(Node("div", share, Node("num", Fraction(100))), other):
        return True
    # 50% may be given as 50, but 0.375% is not 3/8.
    return not is_near_zero(share) and same_value(share, other)


def _quantities(left: Node, right: Node) -> bool | None:
    if "quantity" not in (left.head, right.head) or "rel" in (left.head, right.head):
        return None
    if left.head != right.head:
        (value, unit), other = (left.parts, right) if left.head == "quantity" else (right.parts, left)
        in_radians = unit.powers == (("degree", 1),) and Node("const", "pi") in other.walk()
        return same(Node("mul", value, _DEGREE) if in_radians else value, other)
    (first, unit), (second, other) = left.parts, right.parts
    if unit.powers != other.powers or not (unit.nouns <= other.nouns or unit.nouns >= other.nouns):
        return False
    if unit.size == other.size:
        return same(first, second)
    return same_value(Node("mul", first, Node("num", unit.size)), Node("mul", second, Node("num", other.size)))


def _relations(left: Node, right: Node) -> bool | None:
    if "rel" not in (left.head, right.head):
        return None
    names = label_of(left), label_of(right)
    if left.head == right.head:
        if None not in names:
            if 2 < len(left.parts[1]) == len(right.parts[1]):  # chains: each side counts
                return _same_statement(left, right)
            agree = names[0] == names[1] or same_value(*names)  # type: ignore[arg-type]
            values = without_label(left), without_label(right)
            if all(is_value(value) and is_constant(value) for value in values):
                return agree and same(*values)
            return (agree and same(*values)) or _same_statement(left, right)
        ends = [end_of_chain(side) if name is None else None for side, name in zip((left, right), names, strict=True)]
        if names != (None, None) and any(end is not None and is_constant(end) for end in ends):
            return same(without_label(left), without_label(right))
        return _same_statement(left, right)
    relation, name, other = (left, names[0], right) if left.head == "rel" else (right, names[1], left)
    if name is not None and name.head == "tuple" and list(name.parts[1]) != sorted(name.parts[1], key=str):
        return False  # (y, x) = (1, 2)
    value: Node | None = without_label(relation) if name is not None else relation
    if value is not None and value.head == "rel":
        value = end_of_chain(value)
    if value is None:
        return False
    rounded = relation.parts[1][-1]
    return same(value, other) or ("~" in relation.parts[0] and is_literal(rounded) and same(rounded, other))


def _same_statement(left: Node, right: Node) -> bool:
    """Whether two equations or inequalities state the same, side by side or as a multiple of each other."""
    (operators, sides), (others, other_sides) = left.parts, right.parts
    if len(sides) != len(other_sides):
        return False
    mirrored = tuple(_MIRRORED.get(each, each) for each in reversed(others))
    for candidates, each in ((others, other_sides), (mirrored, tuple(reversed(other_sides)))):
        turned = each is not other_sides
        if operators == candidates and not (turned and "in" in operators) and all(map(_same_side, sides, each)):
            return True
    if len(sides) != 2 or operators[0] not in _COMPARED or not all(map(is_value, (*sides, *other_sides))):
        return False
    factor = proportional(*(Node("add", one, Node("neg", other)) for one, other in (sides, other_sides)))
    if factor is None:
        return False
    if operators[0] in _MIRRORED:
        return others[0] == (operators[0] if factor > 0 else _MIRRORED[operators[0]])
    return operators == others


def _same_side(left: Node, right: Node) -> bool:
    """Constant formulas must be written alike: 216 = 216 does not state that 36^{...} = 216."""
    return left == right if _is_formula(left) or _is_formula(right) else same(left, right)


def _is_formula(node: Node) -> bool:
    return is_value(node) and is_constant(node) and node.head not in ("num", "dec", "neg", "div", "const")


def _integrals(left: Node, right: Node) -> bool | None:
    """Two antiderivatives differ by a constant."""
    first, second = integral_of(left), integral_of(right)
    return None if first is None or second is None else is_shifted(first, second)


def _points(left: Node, right: Node) -> bool | None:
    """``A(1, 2)`` is the point (1, 2)."""
    if {left.head, right.head} != {"apply", "tuple"}:
        return None
    left, right = (Node("tuple", "()", side.parts[1]) if side.head == "apply" else side for side in (left, right))
    return len(left.parts[1]) > 1 and same(left, right)


def _tuples(left: Node, right: Node) -> bool | None:
    first, second = _vector(left), _vector(right)
    for vector, other in ((first, right), (second, left)):
        if vector is not None and (terms := terms_of_vector(other)) is not None:
            return has_entries(terms, vector[1])
    if "tuple" not in (left.head, right.head):
        return None
    if first is None or second is None or len(first[1]) != len(second[1]):
        return False
    if len(first[1]) == 2 and first[0] != second[0] and not {first[0], second[0]} <= _VECTORS:
        return False
    return all(map(same, first[1], second[1]))


def _vector(node: Node) -> tuple[str, tuple[Node, ...]] | None:
    """The brackets and the entries of a tuple, or of a matrix with one row or one column."""
    if node.head == "tuple":
        return node.parts[0], node.parts[1]
    if node.head == "matrix" and 1 in (len(node.parts[0]), len(node.parts[0][0])):
        return "", tuple(entry for row in node.parts[0] for entry in row)
    return None


def _tables(left: Node, right: Node) -> bool | None:
    if not {left.head, right.head} & {"matrix", "cases"}:
        return None
    if left.head != right.head or len(left.parts[0]) != len(right.parts[0]):
        return False

    def same_row(first: Sequence[Node], second: Sequence[Node]) -> bool:
        return len(first) == len(second) and all(map(same, first, second))

    if left.head == "matrix":
        return all(map(same_row, left.parts[0], right.parts[0]))
    return all(any(same_row(row, other) for other in right.parts[0]) for row in left.parts[0])


_RULES: tuple[Callable[[Node, Node], bool | None], ...] = (
    _domains, _congruences, same_region, _lists, _ratios, _sets,
    _builders, _numerals, _percents, _quantities, _relations, _integrals, _points, _tuples, _tables,
)  # fmt: skip
