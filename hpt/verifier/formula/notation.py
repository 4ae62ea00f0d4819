# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Rewrite the notations of answers into one. Works on text, in time linear in its length.

What is removed here has no meaning: sizes, colours, spaces, math delimiters, the final full stop. Everything else
stays, and the grammar must use it (:mod:`hpt.verifier.formula.grammar`).
"""

import re
import unicodedata

from hpt.verifier.formula.tree import words

# Characters and their commands. Unicode's compatibility forms do not serve, because they turn x\u00b2 into x2.
_CHARACTERS = {
    "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u00d7": r"\times ", "\u00b7": r"\cdot ", "\u22c5": r"\cdot ",
    "\u00f7": "/", "\u2044": "/", "\u2215": "/", "\u221e": r"\infty ", "\u2264": r"\le ", "\u2265": r"\ge ",
    "\u2a7d": r"\le ", "\u2a7e": r"\ge ", "\u2260": r"\ne ", "\u2248": r"\approx ", "\u2208": r"\in ",
    "\u222a": r"\cup ", "\u2229": r"\cap ", "\u2216": r"\setminus ", "\u2205": r"\emptyset ", "\u00b0": r"^\circ ",
    "\u00ba": r"^\circ ",
    "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}", "\u2115": r"\mathbb{N}", "\u211a": r"\mathbb{Q}",
    "\u2102": r"\mathbb{C}", "\u00b1": r"\pm ", "\u2213": r"\mp ", "\u2032": "'", "\u2033": "''", "\u2026": r"\ldots ",
    "\u22ef": r"\ldots ", "\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\u2308": r"\lceil ", "\u2309": r"\rceil ",
    "\u230a": r"\lfloor ", "\u230b": r"\rfloor ", "\u2227": r"\wedge ", "\u2228": r"\vee ",
    "\u3001": ",", "\u2019": "'", "\u2018": "'",
    "\u201c": '"', "\u201d": '"',
    "\u00bd": r"\frac{1}{2}", "\u00bc": r"\frac{1}{4}", "\u00be": r"\frac{3}{4}", "\u2153": r"\frac{1}{3}",
    "\u2154": r"\frac{2}{3}", "\u20ac": r"\text{euro}", "\u00a3": r"\text{gbp}", "\u3002": ".", "\u2223": "|",
    **{
        chr(code): "\\" + unicodedata.name(chr(code)).split()[-1].lower() + " "
        for code in (*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA), 0x393, 0x394, 0x398, 0x39B, 0x3A3, 0x3A6, 0x3A9)
    },
    **{chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFF5F)},
}  # fmt: skip
_TABLE = str.maketrans(_CHARACTERS)
_RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207a\u207b\u207f]+")
_LOWERED = re.compile("[\u2080-\u208b]+")
_ROOT = re.compile("([\u221a\u221b])\\s*(?:\\(([^()]*)\\)|(\\d+|[a-zA-Z]))")

# Sizes, spaces and styles.
_NO_MEANING = re.compile(
    r"\\(?:left|right)\s*\.|\\(?:(?:left|right|displaystyle|textstyle|scriptstyle|tiny|small|normalsize|large|Large|LARGE|huge"
    r"|[bB]igg?[lrm]?|limits|nolimits|bf|it|rm|ensuremath|fbox|boxed|mathbf|boldsymbol|bm|mathit|mathsf|mathtt|mathnormal"
    r"|underline)(?![a-zA-Z])|! *)"
    r"|\\(?:text|)color\s*\{[^{}]*\}|(?<!\\)\\[()\[\]]|(?<!\\)\$|[`\"]|\u00ad|\u200b"
)
_SPACE = re.compile(r"\\(?:quad|qquad|enspace|thinspace)(?![a-zA-Z])|(?<!\\)\\[,;: ]|~|\s+")
_SAME = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"), "frac"),
    **dict.fromkeys(("dbinom", "tbinom"), "binom"),
    **dict.fromkeys(("mbox", "hbox", "textbf", "textit", "textrm", "textnormal", "textsf", "emph", "textup"), "text"),
    **dict.fromkeys(("leq", "leqslant", "leqq"), "le"), **dict.fromkeys(("geq", "geqslant", "geqq"), "ge"),
    **dict.fromkeys(("dots", "cdots", "dotsc", "dotsb", "vdots"), "ldots"),
    "tg": "tan", "ctg": "cot", "arctg": "arctan", "overrightarrow": "vec",
    "neq": "ne", "varnothing": "emptyset", "lbrace": "{", "rbrace": "}", "lvert": "|", "rvert": "|", "vert": "|",
    "mid": "|", "colon": ":", "lbrack": "[", "rbrack": "]", "varphi": "phi", "varepsilon": "epsilon", "lor": "or",
    "vee": "or", "land": "and", "wedge": "and", "backslash": "setminus", "div": "/", "ast": "*",
    "operatorname": "mathrm", "doteq": "=", "prime": "'", "degree": "^\\circ ",
    "lt": "<", "gt": ">",
}  # fmt: skip
_PLAIN = {"/", "*", ":", "'", "<", ">", "=", "[", "]", "|", "^\\circ "}
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
# Functions and constants in plain code or without a backslash.
_MODULE = re.compile(r"(?<![a-zA-Z\\])(?:np|numpy|math|sympy|sp|torch)\.(?=[a-zA-Z])")
FUNCTIONS = words(
    """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth
    ln log lg exp sqrt gcd lcm max min det abs floor ceil"""
)
# These are words, too, unless brackets follow.
_CALLED = words("min max sec det abs floor ceil gcd lcm")
_BARE_NAMES = {
    "tg": "tan",
    "ctg": "cot",
    "arctg": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "infinity": "infty",
    "inf": "infty",
    "oo": "infty",
}
_BARE_SYMBOLS = words("pi theta alpha beta gamma lambda")


def _without_backslash(functions: frozenset[str], symbols: frozenset[str]) -> re.Pattern[str]:
    names, called = (
        "|".join(sorted(each)) for each in (functions - _CALLED | symbols | set(_BARE_NAMES), _CALLED & functions)
    )
    return re.compile(rf"(?<![a-zA-Z\\])(?:({names})(?![a-zA-Z])|({called})(?=\())")


_BARE = _without_backslash(FUNCTIONS, _BARE_SYMBOLS)
_EMPHASIS = re.compile(r"(\*\*|__|'{1,3})(?=\S)(.+)(?<=\S)\1", re.DOTALL)
_OVER = re.compile(r"(?:(?<=^)|\{)([^{}]+)\\(over|choose)(?![a-zA-Z])([^{}]+)(?:\}|$)")
_PRIMES = re.compile(r"\^ ?(?:\{ ?((?:' ?)+)\}|('+))")
# A brace on the left only, as of a system of equations.
_SYSTEM = re.compile(
    r"\\left\s*\\\{\s*\\begin\s*\{(array|aligned|matrix)\}(?:\s*\{[^{}]*\})?(.*)\\end\s*\{\1\}\s*\\right\s*\.",
    re.DOTALL,
)
_FRACTIONS = {"over": "frac", "choose": "binom"}
# 576\pi\;m^2: a letter is a variable, but this one is set apart.
_AREA = re.compile(r"(?:\\[,;: ]|~|\\q?quad)\s*m(?=\s*\^\s*\{?\s*[23]\s*\}?\W*(?:right\W*)?$)")
_SPACED_D = re.compile(r"(?<![a-zA-Z\\])d\s+(?=[a-z](?![a-zA-Z]))")
_UPRIGHT_D = re.compile(r"\\mathrm\s*\{\s*d\s*\}\s*(?=[a-z])")
# dy/dx and d^2y/dx^2 are y' and y''; other variables than x stay.
_DERIVATIVE = re.compile(
    r"(?:\\frac\s*\{\s*d(?P<twice>\s*\^\s*(?:2|\{2\}))?\s*(?P<of>[a-zA-Z])\s*\}"
    r"\s*\{\s*d\s*x\s*(?(twice)\^\s*(?:2|\{2\})\s*)\}|(?<![a-zA-Z\\])d(?P<plain>[a-zA-Z])\s*/\s*dx(?![a-zA-Z^]))"
)
_NOT_EQUAL = re.compile(r"\\not\s*=")
_DOLLAR = re.compile(r"\\text\s*\{\s*\\\$\s*\}|\\\$\s*")
_EXPONENT = re.compile(r"\*\*|\^\^")
_INNER_COMMA = re.compile(r"\{\s*([,:])\s*\}")
# Domains in words: "for all integers k", "where k is an integer".
_DOMAINS = {"integer": "Z", "real": "R", "natural": "N", "positive integer": "N"}
_PARAMETER, _DOMAIN = r"(?P<name>[a-z]|\\[a-z]+)", r"(?P<domain>positive integer|integer|real|natural)"
_FOR = r",?\s*(?:for|where|with|and)?\s*(?:all|any|every|each|some)?\s*"
_IN_WORDS = (
    re.compile(rf"{_FOR}{_DOMAIN}s?(?:\s+numbers?)?\s+{_PARAMETER}\s*$"),
    re.compile(
        rf"{_FOR}{_PARAMETER}\s+(?:is|being)?\s*(?:an?|any|some)?\s*(?:arbitrary\s+)?{_DOMAIN}(?:\s+number)?\s*$"
    ),
)
_TEXT = re.compile(r"\\(?:text|mathrm)\s*\{([^{}]*)\}")
_NOON = re.compile(r"(?<![a-zA-Z])([aApP])\.\s?[mM](?:\.|(?![a-zA-Z]))")
# The label of a part: "(a) 3, (b) 4".
_LABEL = re.compile(r"(?:^|[\s,;])\s*(?:\\text\s*\{\s*)?\(?([a-h1-8])\)\s*\}?\s*")
# ]0, 1[ is (0, 1): brackets that look away, at the ends and beside the signs of sets.
_TURNED_OPENING = re.compile(r"(^|\\(?:cup|cap|setminus|in)(?![a-zA-Z])|[=,;]|\bor\b)\s*\]")
_TURNED_CLOSING = re.compile(r"\[(?=\s*(?:$|[,;]|or\b|\\(?:cup|cap|setminus)(?![a-zA-Z])))")
_OPERATORS = tuple("+-*/=^_")
_MONTHS = "january february march april may june july august september october november december"
_MONTH, _DAY, _YEAR = f"({_MONTHS.replace(' ', '|')})", r"(\d\d?)(?:st|nd|rd|th)?", r"(?:(?:\s*,\s*|\s+)(\d{4}))?"
_DATES = (
    re.compile(rf"{_DAY}\s*(?:of\s+)?{_MONTH}{_YEAR}", re.IGNORECASE),
    re.compile(rf"{_MONTH}\s*{_DAY}{_YEAR}", re.IGNORECASE),
)
_STOPS = (".", ",", ";", ":")


def cleaned(text: str) -> str:
    """The same answer in the notation that :func:`tokens` cuts."""
    text = text.strip()
    text = _AREA.sub(r"\\text{m}", text)
    text = _RAISED.sub(lambda found: f"^{{{unicodedata.normalize('NFKC', found[0])}}}", text)
    text = _LOWERED.sub(lambda found: f"_{{{unicodedata.normalize('NFKC', found[0])}}}", text)
    text = _ROOT.sub(lambda found: rf"\sqrt{'[3]' if found[1] == chr(0x221B) else ''}{{{found[2] or found[3]}}}", text)
    text = text.translate(_TABLE)
    while (inner := _EMPHASIS.fullmatch(text)) is not None:
        text = inner[2]
    text = _SYSTEM.sub(r"\\begin{cases}\2\\end{cases}", text)
    text = _UPRIGHT_D.sub("d", text)
    text = _DERIVATIVE.sub(lambda found: (found["of"] or found["plain"]) + ("''" if found["twice"] else "'"), text)
    if r"\int" in text:
        text = _SPACED_D.sub("d", text)
    text = _NOON.sub(r"\1m", text)
    text = _NOT_EQUAL.sub(r"\\ne ", text)
    text = _COMMAND.sub(_same_command, text)
    text = _DOLLAR.sub(r"\\text{dollar}", text)
    text = _INNER_COMMA.sub(r"\1", _NO_MEANING.sub("", text))
    text = _SPACE.sub(" ", _MODULE.sub("", text))
    text = _BARE.sub(lambda found: "\\" + _BARE_NAMES.get(found[1], found[1] or found[2]) + " ", text)
    text = _TURNED_CLOSING.sub(")", _TURNED_OPENING.sub(r"\1(", _EXPONENT.sub("^", text.strip())))
    text = _OVER.sub(lambda found: rf"\{_FRACTIONS[found[2]]}{{{found[1]}}}{{{found[3]}}}", text)
    text = _PRIMES.sub(lambda found: found[1] or found[2], text).strip()
    return _with_domain(_without_final_stop(_without_outer_braces(text)))


def _same_command(found: re.Match[str]) -> str:
    name = _SAME.get(found[1], found[1])
    return name if name in _PLAIN else "\\" + name


def _with_domain(text: str) -> str:
    words = " ".join(_TEXT.sub(r" \1 ", text).split())
    for pattern in _IN_WORDS:
        found = pattern.search(words)
        if found is not None and found.start() > 0:
            return rf"{words[: found.start()]}, {found['name']} \in \mathbb{{{_DOMAINS[found['domain']]}}}"
    return text


def with_names(text: str) -> str:
    """Labelled parts of a cleaned answer with their labels as names: "a = 3, b = 4"."""
    found = list(_LABEL.finditer(text))
    letters = "abcdefgh"[: len(found)]
    names = [letters[int(label[1]) - 1 :][:1] if label[1].isdecimal() else label[1] for label in found]
    if len(found) < 2 or found[0].start() > 0 or sorted(names) != list(letters):
        return text
    ends = [*(label.start() for label in found[1:]), len(text)]
    values = [text[label.end() : end].strip(" ,;") for label, end in zip(found, ends, strict=True)]
    if not all(values) or any(value.endswith(_OPERATORS) for value in values):
        return text
    return ", ".join(f"{name} = {value}" for name, value in sorted(zip(names, values, strict=True)))


def _without_outer_braces(text: str) -> str:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}") if index == 0 or text[index - 1] != "\\" else 0
        if depth == 0 and index < len(text) - 1:
            return text
    return text[1:-1].strip() if depth == 0 and text.startswith("{") else text


def _without_final_stop(text: str) -> str:
    while text.endswith((*_STOPS, "\\\\")) and not text.endswith("..") and not text.endswith(r"\,"):
        text = text[: -2 if text.endswith("\\\\") else -1].rstrip()
    return text


def same_text(answer: str, gold: str, words: bool) -> bool:
    """Whether two answers are the same text, as they stand or with the labels of their parts as names."""
    texts = [cleaned(text) for text in (answer, gold)]
    return any(len({_comparable(form(text), words) for text in texts}) == 1 for form in (str, with_names))


def _comparable(text: str, words: bool) -> str:
    """A cleaned answer for a comparison as a text, without text commands and final stops.

    Args:
        words: it is in words, so that case and spaces do not matter. Otherwise spaces between letters or digits do.
    """
    bare = _TEXT.sub(r"\1", text)
    bare = re.sub(r"(\\[a-zA-Z]+)\s+(?=[^a-zA-Z])", r"\1", bare)
    if (date := next((found for pattern in _DATES if (found := pattern.fullmatch(bare))), None)) is not None:
        bare = "/".join(sorted(part for part in date.groups() if part))
    bare = re.sub(r"\s" if words else r"(?<!\w)\s|\s(?!\w)", "", bare)
    bare = _without_final_stop(re.sub(r"\{(.)\}", r"\1", bare))
    return bare.casefold() if words else bare
