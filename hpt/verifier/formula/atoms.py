# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the grammar for single values: numbers, symbols, functions, brackets, sums with an index, matrices."""

from abc import ABC, abstractmethod
from fractions import Fraction

from hpt.verifier.formula.notation import FUNCTIONS
from hpt.verifier.formula.tokens import SHORT_WORDS, Cursor, Token
from hpt.verifier.formula.tree import UNIT_VECTORS, Node, NotUnderstood, determinant, words

RELATIONS = {"=": "=", "<": "<", ">": ">", "le": "<=", "ge": ">=", "ne": "!=", "approx": "~", "in": "in", "equiv": "=",
             "sim": "~", "simeq": "~"}  # fmt: skip
CONSTANTS = {"pi": "pi", "infty": "infty"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil"}
_MATRICES = ("matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "array", "smallmatrix")
_GREEK = words(
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar partial nabla angle triangle"""
)
_ACCENTS = words("overline bar hat dot ddot tilde widehat mathcal mathscr mathfrak")
ATOMS = words("frac sqrt binom vec sum prod int begin mathbb { langle lfloor lceil emptyset") | {
    *_ACCENTS, *_GREEK, *CONSTANTS, *FUNCTIONS,
}  # fmt: skip


class Atoms(Cursor, ABC):
    r"""Rules for what has no operator around it. What stands in brackets may be any answer.

    Attributes:
        short_arguments: whether ``\cos\theta v`` is read as a product, not as the cosine of one.
    """

    def __init__(self, found: list[Token], short_arguments: bool = False):
        super().__init__(found)
        self.short_arguments = short_arguments

    @abstractmethod
    def answer(self) -> Node:
        """A whole answer, up to a closing bracket or the end."""

    @abstractmethod
    def item(self) -> Node:
        """An item of an answer."""

    @abstractmethod
    def sum(self) -> Node:
        """Terms with signs."""

    @abstractmethod
    def product(self) -> Node:
        """Factors."""

    @abstractmethod
    def power(self) -> Node:
        """A value with what stands behind it: an exponent, a factorial, a percent sign."""

    @abstractmethod
    def argument(self) -> Node:
        r"""What follows ``^``, ``_`` or ``\frac``: a group, or one token."""

    @abstractmethod
    def implicit(self, left: Node) -> Node:
        """A product without a sign."""

    @abstractmethod
    def starts_factor(self) -> bool:
        """Whether the next token can be a factor without a sign before it."""

    @abstractmethod
    def is_condition(self) -> bool:
        """Whether brackets with a relation inside stand here."""

    def atom(self) -> Node:
        token = self.take()
        if token.kind == "number":
            assert token.value is not None
            return token.value
        if token.kind == "letter":
            return self.symbol(token)
        is_name = len(token.text) == 1 or token.text.isupper() or self.sees("=", "(", "_")
        if token.kind == "word" and is_name and not (token.text.lower() in SHORT_WORDS or self.is_alone(token)):
            return self.indexed(Node("sym", token.text))
        if token.kind in ("mark", "command") and token.text in _CLOSING:
            return self.group(token)
        if token.text == "|" and self.bars == 0:
            self.bars += 1
            inner = self.sum()
            self.expect("|")
            self.bars -= 1
            return Node("fn", "abs", (inner,))
        if token.kind == "command":
            return self.command(token.text)
        raise NotUnderstood(f"got {token.text!r}")

    def is_alone(self, word: Token) -> bool:
        """Whether a word of several letters is the whole answer: it is a text then."""
        return len(self.tokens) == 2 and len(word.text) > 1

    def symbol(self, token: Token) -> Node:
        if token.text in ("e", "i") and not self.sees("_"):
            return Node("const", token.text)
        return self.indexed(Node("sym", token.text))

    def indexed(self, name: Node) -> Node:
        found = Node("sub", name.parts[0], self.argument()) if self.skip("_") else name
        if found.head == "sub" and name.parts[0] == "C" and self.skip("^"):  # a binomial coefficient in some books
            return Node("fn", "binom", (found.parts[1], self.argument()))
        event = name.parts[0] in ("P", "Pr", "E")  # P(X = 2)
        if self.sees("(") and not self.token.space and name.parts[0].isalpha() and (event or not self.is_condition()):
            arguments = self.group()
            return Node("apply", found, arguments.parts[1] if arguments.head == "tuple" else (arguments,))
        return found

    def group(self, first: Token | None = None) -> Node:
        """What brackets enclose, after their first one if it was taken already."""
        first = first or self.take()
        opening = first.text
        if opening not in _CLOSING:
            raise NotUnderstood(f"got {opening!r}, expected brackets")
        self.bars, bars = 0, self.bars
        if first.kind == "command" and opening == "{":
            found = self.braces()
        else:
            inner = self.answer()
            items = inner.parts[0] if inner.head == "list" else (inner,)
            closing = self.take().text
            matches = closing == _CLOSING[opening]
            if opening in ("lfloor", "lceil"):
                found = Node("fn", "floor" if opening == "lfloor" else "ceil", (inner,))
            elif opening == "{":
                found = inner if len(items) == 1 else Node("set", items)
            elif len(items) > 1 or opening == "langle":
                found = Node("tuple", opening + closing, items)
                matches = matches or (len(items) == 2 and opening in "([" and closing in ")]")
            else:
                found = inner
            if not matches:
                raise NotUnderstood(f"got {closing!r}, expected {_CLOSING[opening]!r}")
        self.bars = bars
        return found

    def braces(self) -> Node:
        r"""``\{1, 2\}`` or ``\{x | x > 1\}``."""
        if self.skip("}"):
            return Node("set", ())
        self.bars = 1
        head = self.answer()
        if self.skip("|", ":"):
            self.bars = 0
            head = Node("builder", head, self.answer())
        elif head.head == "ratio":
            raise NotUnderstood("a ratio in braces")
        else:
            head = Node("set", head.parts[0] if head.head == "list" else (head,))
        self.expect("}")
        return head

    def command(self, name: str) -> Node:
        if name in ("vec", "angle", "triangle", "overline") and (corners := self.corners()):
            return Node("sym", f"{name} {corners}")
        if name in CONSTANTS:
            return Node("const", CONSTANTS[name])
        if name in _GREEK:
            return self.indexed(Node("sym", name))
        if name == "frac":
            upper = self.argument()
            return Node("div", upper, self.argument())
        if name == "binom":
            upper = self.argument()
            return Node("fn", "binom", (upper, self.argument()))
        if name == "sqrt":
            degree = Node("num", Fraction(2))
            if self.skip("["):
                degree = self.sum()
                self.expect("]")
            return Node("fn", "root", (self.argument(), degree))
        if name == "top":  # A^\top
            return Node("sym", "T")
        if name in ("sum", "prod"):
            return self.series(name)
        if name == "int":
            bounds = [self.argument() for mark in ("_", "^") if self.skip(mark)]
            return Node("fn", "int", (*bounds, self.product()))
        if name == "ldots":  # 1 + 2 + ... + n
            return Node("sym", "...")
        if name == "emptyset":
            return Node("set", ())
        if name == "mathbb":
            return Node("domain", self.letter_of_domain())
        if name == "begin":
            return self.environment()
        if name == "vec":
            return self.argument()
        if name in _ACCENTS:
            below = self.argument()
            return below if below in UNIT_VECTORS else self.indexed(Node("sym", f"{name} {below}"))
        if name in FUNCTIONS:
            return self.function(name)
        raise NotUnderstood(f"got \\{name}")

    def corners(self) -> str:
        """Capital letters side by side that name a vector or a figure, in their order; empty if there are none."""
        braces = self.sees("{")
        found = ""
        at = self.at + braces
        while self.tokens[at].kind in ("letter", "word") and self.tokens[at].text.isupper():
            found, at = found + self.tokens[at].text, at + 1
        if len(found) < 2 or (braces and self.tokens[at].text != "}"):
            return ""
        self.at = at + braces
        return found

    def letter_of_domain(self) -> str:
        braces = self.skip("{")
        letter = self.take().text
        if braces:
            self.expect("}")
        return letter

    def series(self, name: str) -> Node:
        self.expect("_")
        start = self.argument()
        self.expect("^")
        stop = self.argument()
        if start.head != "rel" or start.parts[0] != ("=",) or start.parts[1][0].head not in ("sym", "const"):
            raise NotUnderstood("a sum without an index")
        index, first = start.parts[1]
        return Node("series", name, index.parts[0], first, stop, self.product())

    def function(self, name: str) -> Node:
        base = None
        if self.skip("_"):  # \log_b(x) is no b(x)
            letter = self.token.kind == "letter" and self.ahead().text == "("
            base = Node("sym", self.take().text) if letter else self.argument()
        exponent = self.argument() if self.skip("^") else None
        if self.sees("(", "{", "[", "|") or name in ("gcd", "lcm", "max", "min"):
            inner = self.power() if self.sees("|") else self.group()
            if inner.head == "tuple" and inner.parts[0] not in ("()", "[]"):
                raise NotUnderstood("arguments in different brackets")
            arguments = inner.parts[-1] if inner.head in ("tuple", "set") else (inner,)
        else:
            inner = Node("neg", self.power()) if self.skip("-") else self.power()
            while self.starts_factor() and not self.sees("(", "[", *FUNCTIONS):
                if self.short_arguments and inner.has("sym", "sub"):
                    break
                inner = self.implicit(inner)
            arguments = (inner,)
        if name == "det" and exponent is None and arguments and arguments[0].head == "matrix":
            return determinant(arguments[0].parts[0])
        inverse = exponent == Node("neg", Node("num", Fraction(1)))
        found = Node("fn", "arc" + name if inverse else name, arguments if base is None else (*arguments, base))
        return found if exponent is None or inverse else Node("pow", found, exponent)

    def environment(self) -> Node:
        r"""``\begin{cases}`` or a matrix."""
        name = self.name_in_braces()
        if name == "array" and self.skip("{"):
            while not self.skip("}"):
                self.take()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while not self.skip("end"):
            if self.skip("\\"):
                if not row:
                    raise NotUnderstood("an empty row")
                rows.append(tuple(row))
                row = []
            elif self.skip("&"):
                if not row or self.sees("&", "\\\\", "end"):
                    raise NotUnderstood("an empty cell")
            else:
                if self.word() in ("if", "when", "for"):
                    self.at += 1
                row.append(Node("sym", self.take().text) if self.word() in ("otherwise", "else") else self.item())
                self.skip(",", ";")
                self.skip(".")
        if row:
            rows.append(tuple(row))
        if self.name_in_braces() != name or not rows:
            raise NotUnderstood("an environment that does not end")
        if name in ("cases", "aligned"):
            equations = [row[0] for row in rows if len(row) == 1 and row[0].head == "rel"]
            if len(equations) == len(rows):
                return Node("list", tuple(equations), (",",) * (len(rows) - 1))
            return Node("cases", tuple(rows))
        if name not in _MATRICES or len({len(each) for each in rows}) != 1:
            raise NotUnderstood(f"got the environment {name}")
        return determinant(rows) if name == "vmatrix" else Node("matrix", tuple(rows))

    def name_in_braces(self) -> str:
        self.expect("{")
        name = ""
        while not self.skip("}"):
            name += self.take().text
        return name
