# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Compare an extracted answer with the gold answer, by an exact screen and by algebra.

``examine`` is instant and runs in the caller. ``judge`` may run forever on a hostile answer (``10^{10^{10}}``), so it
runs only in workers that can be killed (:mod:`hpt.verifier.pool`).
"""

import re
from collections.abc import Sequence
from typing import Any

from hpt.verifier.choice import letter_of, stated_letter
from hpt.verifier.extract import answer_part, extract_answer, last_boxed, normalize_gold
from hpt.verifier.guards import as_inexact_numbers, by_relative_error, differs
from hpt.verifier.kinds import Judge, check_kind, own_judge
from hpt.verifier.normalize import simplified, without_assignment
from hpt.verifier.verdict import Verdict

# Python refuses to convert integers of more than 4300 digits; algebra compares longer ones.
MAX_SCREENED_DIGITS = 1000
# The longest gold answer of the usual sets has a few hundred characters. An answer beyond this, or one whose braces
# and brackets nest deeper, is a degenerate generation, and parsing it would only use up the time limit.
MAX_ANSWER_CHARACTERS = 10_000
MAX_NESTING = 100
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_SCREENED_DIGITS}}}")


def examine(response: str, answer: str, kind: str) -> Verdict | tuple[str, str, Judge | None]:
    """A verdict if it needs no computation, otherwise the arguments of a comparison.

    Returns:
        The verdict; or (extracted answer, gold answer, None) for a comparison by algebra; or (response after the
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
        letter, without = letter_of(boxed), Verdict("unparsable", boxed)
    else:  # a box that is empty or cut off is no answer, whatever the text states
        letter, without = None if r"\boxed" in text else stated_letter(text), Verdict("no_answer")
    if letter is None:
        return without
    return Verdict("correct" if letter == gold else "wrong", letter)


def screen(extracted: str | None, gold: str) -> Verdict | None:
    """Decide the cases that need no algebra; None if a comparison is needed.

    The screen is exact. A missing answer is never right, identical texts denote the same value, and two decimal
    integers are equal if and only if their values are. An answer larger than any real answer is unparsable. Any other
    pair may be equal in value although its texts differ.
    """
    if extracted is None:
        return Verdict("no_answer")
    if extracted == gold:
        return Verdict("correct", extracted)
    if _INTEGER.fullmatch(extracted) and _INTEGER.fullmatch(gold):
        return Verdict("correct" if int(extracted) == int(gold) else "wrong", extracted)
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
    """Compare by algebra, with math-verify and the guards. It has no limits of its own, so run it in a worker.

    math-verify's time limits are alarms, which work in a main thread only, so they are switched off here. Units are not
    compared (``5 cm`` equals ``5``) and ``50%`` is 50. The order of a list without brackets and the case of text do not
    matter. Decimals are compared to 6 digits.
    """
    target, reference = parsed(extracted), parsed(gold)
    if not target or not reference:
        return Verdict("unparsable", extracted)
    equal = _equal(reference, target)
    if not equal and ("=" in extracted) != ("=" in gold):
        sides = [parsed(without_assignment(side)) for side in (gold, extracted)]
        equal = bool(all(sides)) and _equal(*sides)
    if equal:
        equal = not differs(simplified(extracted), simplified(gold), parsed, _equal)
    return Verdict("correct" if equal else "wrong", extracted)


def _equal(reference: Sequence[Any], target: Sequence[Any]) -> bool:
    """Compare as math-verify does, except for decimals outside its rounding. A relation may stand for its set."""
    from math_verify import verify

    numbers = as_inexact_numbers(reference, target)
    equal = None if numbers is None else by_relative_error(*numbers)
    if equal is not None:
        return equal
    return bool(verify(list(reference), list(target), timeout_seconds=None, allow_set_relation_comp=True))


def parsed(text: str) -> list[Any]:
    r"""The expressions that ``text`` may stand for; empty if there are none.

    Both sides of a comparison are wrapped alike, so that the parser's rules for boxed text favour neither. Text that it
    cannot read in a box (``50\%``) it may read as a formula.
    """
    from math_verify import parse

    text = simplified(text)
    for wrapped in (r"\boxed{" + text + "}", "$" + text + "$"):
        expressions = parse(wrapped, fallback_mode="no_fallback", parsing_timeout=None)
        if expressions:
            return list(expressions)
    return []
