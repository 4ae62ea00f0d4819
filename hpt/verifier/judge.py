# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Compare an extracted answer with the gold answer, by an exact screen and by what both say.

``examine`` is instant and runs in the caller. ``judge`` runs in workers that can be killed (:mod:`hpt.verifier.pool`).
"""

import re
from contextlib import suppress
from functools import lru_cache

from hpt.verifier.choice import letter_of, stated_letter
from hpt.verifier.extract import answer_part, extract_answer, last_boxed, normalize_gold
from hpt.verifier.formula.compare import same
from hpt.verifier.formula.grammar import read
from hpt.verifier.formula.notation import same_text
from hpt.verifier.formula.tree import Node, NotUnderstood
from hpt.verifier.kinds import Judge, check_kind, own_judge
from hpt.verifier.verdict import GoldKind, Verdict

# Python refuses to convert integers of more than 4300 digits.
MAX_SCREENED_DIGITS = 1000
# The longest gold answer of the usual sets has a few hundred characters. An answer beyond this, or one whose braces
# and brackets nest deeper, is a degenerate generation, and parsing it would only use up the time limit.
MAX_ANSWER_CHARACTERS = 10_000
MAX_NESTING = 100
_COMMAND = re.compile(r"\\(?!text|mathrm|mbox)[a-zA-Z]+")
_GROUPED = re.compile(r"\d,\d{3}")
_FUNCTION = re.compile(r"sin|cos|tan|cot|sec|csc|ln|log|lg|exp")
_WORD = re.compile(r"[^\W\d_]{2,}")
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_SCREENED_DIGITS}}}")


def examine(response: str, answer: str, kind: str) -> Verdict | tuple[str, str, Judge | None]:
    """A verdict if it needs no computation, otherwise the arguments of a comparison.

    Returns:
        The verdict; or (extracted answer, gold answer, None) for a comparison by ``judge``; or (response after the
        reasoning, gold answer, function) for a registered kind.

    Raises:
        ValueError: an unknown kind.
    """
    check_kind(kind)
    own = own_judge(kind)
    if own is not None:
        return answer_part(response), answer, own
    if kind == "choice":
        return _examine_choice(response, answer)
    extracted, gold = extract_answer(response), normalize_gold(answer)
    verdict = screen(extracted, gold)
    if verdict is not None:
        return verdict
    assert extracted is not None
    return extracted, gold, None


def _examine_choice(response: str, answer: str) -> Verdict:
    gold = letter_of(normalize_gold(answer))
    if gold is None:
        return Verdict("unparsable")
    text = answer_part(response)
    boxed = last_boxed(text)
    if boxed is not None:
        # Where the box holds a formula, a statement after it decides.
        letter = letter_of(boxed) or stated_letter(text[text.rindex(boxed) + len(boxed) :])
        without = Verdict("unparsable", boxed)
    else:  # a box that is empty or cut off is no answer, whatever the text states
        letter, without = None if r"\boxed" in text else stated_letter(text), Verdict("no_answer")
    if letter is None:
        return without
    return Verdict("correct" if letter == gold else "wrong", letter, "exact")


def screen(extracted: str | None, gold: str) -> Verdict | None:
    """Decide the cases that need no grammar; None if a comparison is needed.

    The screen is exact. A missing answer is never right, identical texts denote the same value, and two decimal
    integers are equal if and only if their values are. An answer larger than any real answer is unparsable. Any other
    pair may be equal in value although its texts differ.
    """
    if extracted is None:
        return Verdict("no_answer")
    if extracted == gold:
        return Verdict("correct", extracted, gold_kind(gold))
    if _INTEGER.fullmatch(extracted) and _INTEGER.fullmatch(gold):
        return Verdict("correct" if int(extracted) == int(gold) else "wrong", extracted, "exact")
    if is_oversized(extracted):
        return Verdict("unparsable", extracted)
    return None


def is_integer(text: str) -> bool:
    """Whether ``text`` is a decimal integer that the screen compares by value."""
    return _INTEGER.fullmatch(text) is not None


def is_oversized(text: str) -> bool:
    """Whether ``text`` is longer, or nested deeper, than any real answer."""
    if len(text) > MAX_ANSWER_CHARACTERS:
        return True
    depth = 0
    for character in text:
        if character in "{([":
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif character in "})]":
            depth = max(0, depth - 1)
    return False


def judge(extracted: str, gold: str) -> Verdict:
    """Compare two answers: as texts, and by what they say if the grammar reads both as a whole.

    Its time depends on the length of the answers only. It runs in a worker with limits all the same.
    """
    kind = gold_kind(gold)
    answers = readings(extracted)
    equal = _any_same(readings(gold), answers) if kind == "exact" else same_text(extracted, gold, kind == "text")
    if equal:
        return Verdict("correct", extracted, kind)
    understood = kind == "text" or (kind == "exact" and answers)
    return Verdict("wrong" if understood else "unparsable", extracted, kind)


def _any_same(references: tuple[Node, ...], answers: tuple[Node, ...]) -> bool:
    with suppress(RecursionError):  # a sum of a thousand terms nests a thousand deep
        return any(same(reference, answer) for reference in references for answer in answers)
    return False


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Node, ...]:
    r"""The trees that an answer may stand for; empty if the grammar does not read it.

    ``1,625`` is a number or a list, ``\cos\theta v`` the cosine of a product or a product.
    """
    found = []
    for grouped in (True, False) if _GROUPED.search(text) else (True,):
        for short in (False, True) if _FUNCTION.search(text) else (False,):
            with suppress(NotUnderstood):
                found.append(read(text, grouped, short))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=65536)
def gold_kind(gold: str) -> GoldKind:
    """How a gold answer is compared; it is a text if it is no formula and has a word of two letters at least."""
    if is_integer(gold) or (not is_oversized(gold) and readings(gold)):
        return "exact"
    return "text" if _WORD.search(_COMMAND.sub(" ", gold)) else "unverifiable"
