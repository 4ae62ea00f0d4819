# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Multiple-choice answers: one letter from A to J in its usual forms.

The first of these rules that applies decides which letter a response chooses:

1. The last ``\boxed{...}``. Its content must be a letter in some form. If it is something else, a statement after it
   decides; without one there is no choice.
2. The last statement "answer is X", "answer: X" or "correct option is X", also in Chinese, in which X begins with a
   letter. If X continues as a sentence or names several letters ("A man", "B or C"), there is no choice.
3. A response, or its last line, that is only a letter in some form, unless other lines name other letters.

A form is the letter with brackets, bold marks, ``\text{}``, or "Option" before it. In a box, the text of the choice may
follow ("B) Paris", "B. Paris", "B - Paris"). Several letters are no choice, and neither is a letter that merely occurs.
"""

import re
import unicodedata

LETTERS = "ABCDEFGHIJ"
# Characters around a letter: brackets, bold marks, math delimiters, spaces and the final full stop.
_WRAPPING = ' \t\r\n\f\v\u00a0()[]{}*$_".,:;!'
_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathsf|boldsymbol|operatorname|rm|bf|it)\b|\\[(\[\])]|\\[,;! ]"
)
_PREFIX = re.compile(r"(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*", re.I)
# "B) Paris", "B. Paris", "(B) Paris", "B: Paris": the choice's text follows its label.
_LABEL = re.compile(r"(?<!\w)(?:\(?([A-Ja-j])\)|([A-J])(?:\.(?=\s)|:(?=\s)|\s[-\u2013\u2014](?=\s)|\s+(?=\()))")
_STATEMENT = re.compile(
    r"(?:answer|(?:correct|best|right)\s+(?:option|choice))(?:\*\*)?(?:\s*[:=]|\s+(?:is|would\s+be|should\s+be|must\s+be)\b)"
    r"\s{0,3}(?:\*\*)?\s{0,3}:?\s{0,3}(?:(?:therefore|thus|hence|clearly|simply|definitely|indeed)\s+)?(?:option\b|choice\b)?\s{0,3}"
    r"|<answer>\s{0,3}"
    r"|(?<!not )\boption\s{0,3}(?=\(?[A-J]\)?\s+is\s+(?:correct|right))"
    # "the answer is", "choose", and the like
    r"|(?:\u7b54\u6848|\u6b63\u786e\u9009\u9879)\s{0,3}(?:\u662f|\u4e3a|\u9009)?\s{0,3}:?\s{0,3}|(?<!\u4e0d)\u9009(?:\u62e9|\u9879)?\s{0,3}:?\s{0,3}",
    re.IGNORECASE,
)
_MARK = r"(?:\*\*|__|\\text(?:bf)?\{|\\mathrm\{|\\mathbf\{|\\boldsymbol\{|\\\(|\$|\s){0,6}"
_CHOSEN = re.compile(
    rf"{_MARK}(?:\(\s*(?P<bracketed>[A-Ja-j])\s*\)|(?P<plain>[{LETTERS}])(?![A-Za-z0-9_\u0370-\u1fff'\u2019+-]))"
)
# After a letter without brackets: the end, punctuation that does not continue a number, or a reason.
_AFTER_PLAIN = re.compile(
    r"\)\s|(?:\*\*|__|[}$\s)\]]|\\\)){0,6}(?:$|is\s+(?:correct|right)\b|[.,;:!?](?![A-Za-z0-9_\u00c0-\u1fff])|</answer>|\n|\u3002|\u9879?\u6b63\u786e|\u9879|(?:because|since|as(?!\s+well)|for|which)\b|\(|\u2014|-\s)"
)
# "B, C", "B and C", "(A) or (B)": several letters.
_SEVERAL = re.compile(
    rf"(?:\*\*|[}}$\s)])*(?:,|;|/|&|\||\u3001|\u6216|\u548c|\(?\bor\b|\band\b)\s*(?:(?:also|or|and|possibly|perhaps|maybe)\s+)*"
    rf"(?:\*\*|[$\s])*\(?[{LETTERS}](?![\w'])",
    re.IGNORECASE,
)
# After the label in a box: "(A) or B", "(A), C", "A) B" name another choice. "A. I" may be a Roman numeral.
_ANOTHER = re.compile(
    r"\W*(?:(?:or|and)\b.*|[A-HJ]\W*|,\s*[A-J]\b.*|(?:[\s,]*[A-J]){2,}\W*|.*\b(?:or|and)\s+\(?[A-J]\)?\W*|.*\b(?:wrong|incorrect|not\s+right)\b.*)",
    re.DOTALL,
)
# Statements stand at the end. Text before these characters is not searched, so that a hostile response costs nothing.
_SEARCHED_CHARACTERS = 20_000


def letter_of(text: str) -> str | None:
    """The single letter that ``text`` stands for, or None.

    Args:
        text: the content of a box, or a gold answer.
    """
    if len(text) > _SEARCHED_CHARACTERS:
        return None
    bare = re.sub("[{}]", "", _COMMAND.sub("", _narrow(text)))
    labels = {(match[1] or match[2]).upper() for match in _LABEL.finditer(bare)}
    labelled = _LABEL.match(bare.strip(" \t\r\n*$[]{}"))
    if labelled and len(labels) == 1:
        if _ANOTHER.fullmatch(bare.strip(" \t\r\n*$[]{}")[labelled.end() :]):
            return None
        return (labelled[1] or labelled[2]).upper()
    return _lone_letter(bare)


def stated_letter(answer_part: str) -> str | None:
    """The letter that a response without a box chooses, by its last statement or a lone letter; None if there is none.

    Args:
        answer_part: the part of the response after the reasoning.
    """
    tail = _narrow(answer_part[-_SEARCHED_CHARACTERS:])
    for statement in reversed(list(_STATEMENT.finditer(tail))):
        chosen = _CHOSEN.match(tail, statement.end())
        if chosen:
            return _decided(tail, chosen)
    alone = [letter for line in tail.splitlines() if line.strip() for letter in [_lone_letter(line)]]
    others = {letter for letter in alone[:-1] if letter}
    return alone[-1] if alone and others <= {alone[-1]} else None


def _narrow(text: str) -> str:
    """The text with full-width letters and marks replaced by the usual ones."""
    return unicodedata.normalize("NFKC", text)


def _decided(text: str, chosen: re.Match[str]) -> str | None:
    """The letter of a statement; None if the statement names several letters, or continues as a sentence."""
    if _SEVERAL.match(text, chosen.end()):
        return None
    if chosen["bracketed"]:
        return chosen["bracketed"].upper()
    return chosen["plain"] if _AFTER_PLAIN.match(text, chosen.end()) else None


def _lone_letter(text: str) -> str | None:
    bare = _COMMAND.sub("", text).strip(_WRAPPING)
    if len(bare) > 1:
        bare = _PREFIX.sub("", bare, count=1).strip(_WRAPPING)
    return bare.upper() if len(bare) == 1 and bare.upper() in LETTERS else None
