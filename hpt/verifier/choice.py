r"""Multiple-choice answers: one letter from A to J in its usual dresses.

What counts as the chosen letter of a response, in this order:

1. the last ``\boxed{...}``, if there is one: its content must be a letter in some dress, and nothing else decides;
2. the last statement of the form "answer is X", "answer: X" or "correct option is X";
3. a response, or its last line, that is a letter in some dress and nothing else.

A dress is the letter with brackets, bold marks, ``\text{}``, "Option" before it, or its choice's text after it
("B) Paris", "B. Paris"). Several letters are no choice, and neither is a letter that merely occurs ("A man ...").
"""

import re

LETTERS = "ABCDEFGHIJ"
# What may stand around a letter: brackets, bold marks, math delimiters, spaces and the final full stop.
_WRAPPING = " \t\r\n\f\v\u00a0()[]{}*$_\"'`.,:;!"
_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathsf|rm|bf|it)\b|\\[(\[\])]|\\[,;! ]"
)
_PREFIX = re.compile(
    r"(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*", re.IGNORECASE
)
# "B) Paris", "B. Paris", "(B) Paris", "B: Paris": the choice's text follows its label.
_LABELLED = re.compile(rf"\(?([{LETTERS}])(?:\)|\.(?=\s)|:(?=\s))\s*\S")
# The letter of a statement is a capital, unless it is in brackets: "the answer is a matter of taste".
_MARK = r"(?:\*\*|__|\\text(?:bf)?\{|\\mathrm\{|\\mathbf\{|\\\(|\$|\s){0,6}"
_LETTER = rf"{_MARK}(?:\(\s*(?P<bracketed>[A-Ja-j])\s*\)|(?P<plain>[{LETTERS}])(?![\w'\u2019-]))"
_STATEMENT = re.compile(
    r"(?:answer|(?:correct|best|right)\s+(?:option|choice))(?:\s+(?:is|would\s+be|should\s+be|must\s+be))?"
    r"\s{0,3}(?:\*\*)?\s{0,3}[:=]?\s{0,3}(?:option\b|choice\b)?\s{0,3}"
    rf"{_LETTER}(?!\s*(?:,|or\b|and\b|/)\s*\(?[{LETTERS}]\b)",
    re.IGNORECASE,
)
# "answer is A man": a capital A that goes on as a sentence is an article, not a letter.
_ARTICLE = re.compile(r"\s+[a-z]")
# Statements stand at the end; a longer text is not searched, so that a hostile one costs nothing.
_SEARCHED_CHARACTERS = 20_000


def letter_of(text: str) -> str | None:
    """The one letter that ``text`` stands for, or None.

    Args:
        text: the content of a box, a gold answer, or a line of a response.
    """
    if len(text) > _SEARCHED_CHARACTERS:
        return None
    bare = _COMMAND.sub("", text).strip(_WRAPPING)
    bare = _PREFIX.sub("", bare, count=1).strip(_WRAPPING) if len(bare) > 1 else bare
    if len(bare) == 1 and bare.upper() in LETTERS:
        return bare.upper()
    labelled = _LABELLED.match(_COMMAND.sub("", text).strip(" \t\r\n*$[]{}"))
    rest = _COMMAND.sub("", text)
    if labelled and len(_labels(rest)) == 1:
        return labelled[1]
    return None


def stated_letter(answer_part: str) -> str | None:
    """The letter that a response without a box chooses: its last statement, or a lone letter; None if there is none.

    Args:
        answer_part: what counts of the response, i.e. what follows the reasoning.
    """
    tail = answer_part[-_SEARCHED_CHARACTERS:]
    found = None
    for match in _STATEMENT.finditer(tail):
        letter = match["bracketed"] or match["plain"]
        # IGNORECASE serves the words of the statement; an unbracketed letter is a capital.
        if match["plain"] and not letter.isupper():
            continue
        if letter == "A" and match["plain"] and _ARTICLE.match(tail, match.end()):
            continue
        found = letter.upper()
    if found:
        return found
    lines = [line for line in tail.splitlines() if line.strip()]
    return letter_of(lines[-1]) if lines else None


def _labels(text: str) -> set[str]:
    """Letters that stand as labels of choices in ``text``."""
    return {
        match[1] for match in re.finditer(rf"(?<!\w)\(?([{LETTERS}])(?:\)|\.(?=\s)|:(?=\s))", text)
    }
