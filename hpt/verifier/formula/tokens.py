# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Cut an answer into tokens, and walk over them."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from hpt.verifier.formula.tree import Node, NotUnderstood, words


class Token(NamedTuple):
    """A piece of an answer.

    Attributes:
        kind: number, letter (a symbol), word, command, mark (one character) or end.
        text: the piece; a command without its backslash.
        value: a number's exact value.
        space: whether a space stands before it.
        run: for the first of several letters side by side, all of them.
        in_text: whether a word stands in a text command.
    """

    kind: str
    text: str
    value: Node | None = None
    space: bool = False
    run: str = ""
    in_text: bool = False


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?! ?\d)|\d+)"
_PERIOD = r"\\(?:overline|bar|dot) ?(?:\{ ?(?P<period>\d{1,30}) ?\}|(?P<digit>\d))|\((?P<inner>\d{1,30})\)"
_BASE = r"(?:\{ ?(?P<base>\d{1,2}) ?\}|(?P<base_digit>\d))"
_DOT = r"\\dot ?\{?(?P<%s>\d)\}?"
_TOKEN = re.compile(
    r"(?P<space> *)(?:"
    rf"(?:(?P<based>[0-9][0-9A-F]*)|\((?P<enclosed>[0-9][0-9A-F]*)\)) ?_ ?{_BASE}(?![\d.])"
    rf"|(?P<before>\d{{0,30}})\.(?P<between>\d{{0,30}}){_DOT % 'first'}(?P<inside>\d{{0,30}}) ?{_DOT % 'last'}"
    rf"|(?P<whole>\d{{0,30}})\.(?P<lead>\d{{0,30}})(?:{_PERIOD})"
    r"|(?P<endless>\d{1,30}\.\d{3,60}) ?(?:\\ldots|\.\.\.)"
    rf"|(?P<number>{_DIGITS}(?:\.\d+|\.(?!\.))?|\.\d+)(?:[eE](?P<ten>[+-]?\d{{1,4}})(?![\w.]))?"
    r"|\\(?P<command>[a-zA-Z]+|.)"
    r"|(?P<dots>\.\.\.+)"
    r"|(?P<letters>[a-zA-Z]+)"
    r"|(?P<script>[^\W\d_a-zA-Z]+)"
    r"|(?P<mark>[^ ]))",
    re.DOTALL,
)
_DIFFERENTIAL = re.compile("d[xyztuvrs]")
_OPENING = re.compile(r" *\{")
_MAX_DIGITS = 4000
MAX_TOKENS = 3000
# Runs of small letters that are words although they are short.
SHORT_WORDS = words("may or and if no of to am pm by so not yes for all the are per odd few one two six ten")


def tokens(text: str, grouped: bool = True) -> list[Token]:
    """Cut a text that :func:`hpt.verifier.formula.notation.cleaned` has rewritten.

    Args:
        text: the answer.
        grouped: read ``1,625`` outside brackets as one number; otherwise as a list.

    Raises:
        NotUnderstood: a number that is malformed, or too many tokens.
    """
    found: list[Token] = []
    position, brackets = 0, 0
    texts: list[bool] = []  # for each open brace, whether it is that of a text command
    while (match := _TOKEN.match(text, position)) is not None:
        position = match.end()
        kind, content = match.lastgroup, match[0].strip()
        if match["number"] and "," in match["number"] and (brackets or not grouped):
            content = match["number"].partition(",")[0]
            position = match.start("number") + len(content)
            found.append(Token("number", content, _number(content), bool(match["space"])))
        elif kind == "letters":
            found.extend(_letters(content, bool(match["space"]), in_text=any(texts)))
        elif content in ("\\text", "\\mathrm"):
            opening = _OPENING.match(text, position)
            if opening is not None:  # otherwise it is about one letter: \mathrm e
                texts.append(True)
                position = opening.end()
        elif content == "}" and texts and texts.pop():
            continue
        else:
            brackets = max(0, brackets + (content in ("(", "[", r"\{")) - (content in (")", "]", r"\}")))
            if content == "{":
                texts.append(False)
            found.append(_token(match, content))
        if len(found) > MAX_TOKENS:
            raise NotUnderstood("too long")
    return [*found, Token("end", "")]


def _token(match: re.Match[str], content: str) -> Token:
    space = bool(match["space"])
    if match["command"] or match["dots"]:
        return Token("command", match["command"] or "ldots", None, space)
    if match["script"] or match["mark"]:
        return Token("word" if match["script"] else "mark", content, None, space)
    if match["base"] or match["base_digit"]:
        value = Node("based", match["based"] or match["enclosed"], int(match["base"] or match["base_digit"]))
    elif match["last"]:
        period = match["first"] + match["inside"] + match["last"]
        value = Node("num", _repeating(match["before"], match["between"], period))
    elif match["lead"] is not None:
        period = match["period"] or match["digit"] or match["inner"]
        value = Node("num", _repeating(match["whole"], match["lead"], period))
    elif match["endless"]:
        value = Node("num", _endless(match["endless"]))
    else:
        value = _number(match["number"], match["ten"])
    return Token("number", content, value, space)


def _letters(text: str, space: bool, in_text: bool) -> list[Token]:
    """A run of letters: a product of symbols in a formula, or a word."""
    if not in_text and _DIFFERENTIAL.fullmatch(text):
        return [Token("letter", text, None, space)]
    single = len(text) == 1 and (not in_text or text in "ie")
    product = 1 < len(text) <= 3 and (text.isupper() or not in_text) and text.lower() not in SHORT_WORDS
    if not (single or product):
        return [Token("word", text, None, space, in_text=in_text)]
    first, *others = (Token("letter", letter) for letter in text)
    return [first._replace(space=space, run=text if others else ""), *others]


def _number(text: str, ten: str | None = None) -> Node:
    digits = text.replace(",", "").replace(" ", "")
    if len(digits) > _MAX_DIGITS:
        raise NotUnderstood("a number of too many digits")
    value = Fraction(digits.rstrip(".") or "0") * Fraction(10) ** int(ten or 0)
    return Node("num" if value.denominator == 1 else "dec", value)


def _repeating(whole: str, lead: str, period: str) -> Fraction:
    scale = 10 ** len(lead)
    return Fraction(int((whole or "0") + lead), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))


def _endless(text: str) -> Fraction:
    """0.333...: a decimal whose last digit repeats three times at least, or whose last digits repeat twice."""
    whole, _, digits = text.partition(".")
    for length in (1, 2, 3, 6):
        lead, period = digits, digits[-length:]
        while lead.endswith(period):
            lead = lead.removesuffix(period)
        if len(digits) - len(lead) >= length * (3 if length == 1 else 2):
            return _repeating(whole, lead, period)
    raise NotUnderstood("a decimal that goes on without a period")


class Cursor:
    """A position in the tokens of an answer, which moves on with what a rule of the grammar takes.

    Attributes:
        bars: above 0, ``|`` ends something; otherwise it begins an absolute value.
    """

    def __init__(self, found: list[Token]):
        self.tokens = found
        self.at = 0
        self.bars = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def ahead(self, steps: int = 1) -> Token:
        return self.tokens[min(self.at + steps, len(self.tokens) - 1)]

    def sees(self, *texts: str) -> bool:
        return self.token.kind in ("mark", "command") and self.token.text in texts

    def take(self) -> Token:
        token = self.token
        if token.kind == "end":
            raise NotUnderstood("the answer ends early")
        self.at += 1
        return token

    def skip(self, *texts: str) -> bool:
        found = self.sees(*texts)
        self.at += found
        return found

    def expect(self, text: str) -> None:
        if not self.skip(text):
            raise NotUnderstood(f"got {self.token.text!r}, expected {text!r}")

    def word(self) -> str:
        return self.token.text.lower() if self.token.kind == "word" else ""

    def attempt(self, rule: Callable[[], Node]) -> Node | None:
        """What a rule reads; None, and no token is used, if it cannot read them."""
        start, bars = self.at, self.bars
        try:
            return rule()
        except NotUnderstood:
            self.at, self.bars = start, bars
            return None
