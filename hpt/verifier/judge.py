"""Compare an extracted answer with the gold answer: an exact screen, and the symbolic comparison.

``examine`` is instant and runs in the caller. ``judge`` may run forever on a hostile answer (``10^{10^{10}}``), so
it runs only in workers that can be killed: see ``hpt.verifier.pool``.
"""

import re
from collections.abc import Sequence
from typing import Any

from hpt.verifier.choice import letter_of, stated_letter
from hpt.verifier.extract import answer_part, extract_answer, last_boxed, normalize_gold
from hpt.verifier.guards import as_inexact_numbers, by_relative_error, differs
from hpt.verifier.kinds import Judge, check_kind, own_judge
from hpt.verifier.normalize import undress, without_assignment
from hpt.verifier.verdict import Verdict

# Python refuses to convert integers of more than 4300 digits; such an answer is left to the symbolic comparison.
MAX_SCREENED_DIGITS = 1000
# The longest gold answer of the usual sets has a few hundred characters. An answer beyond this, or one whose braces
# and brackets nest deeper, is a degenerate generation: parsing it would only burn the time limit.
MAX_ANSWER_CHARACTERS = 10_000
MAX_NESTING = 100
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_SCREENED_DIGITS}}}")


def examine(response: str, answer: str, kind: str) -> Verdict | tuple[str, str, Judge | None]:
    """A verdict where nothing is to be computed, otherwise what is to be compared.

    Returns:
        the verdict; or the extracted and the gold answer, and None for a comparison by algebra; or the response, the
        gold answer and the function registered for the kind.

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
    counts = answer_part(response)
    boxed = last_boxed(counts)
    if boxed is None and r"\boxed" not in counts:
        letter = stated_letter(counts)
        if letter is None:
            return Verdict("no_answer")
        return Verdict("correct" if letter == gold else "wrong", letter)
    if boxed is None:  # empty, or cut off
        return Verdict("no_answer")
    letter = letter_of(boxed)
    if letter is None:
        return Verdict("unparsable", boxed)
    return Verdict("correct" if letter == gold else "wrong", letter)


def screen(extracted: str | None, gold: str) -> Verdict | None:
    """Decide the cases that need no algebra; None if the comparison has to be made.

    Exact, not a heuristic: a missing answer is never right; identical text denotes the same thing, whatever that
    is; two decimal integers are equal exactly if their values are. Every other pair can be equal in some dress,
    unless the answer is larger than any answer is.
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
    """Whether ``text`` is longer or nested deeper than any answer is."""
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
    """The symbolic comparison, by math-verify and the guards. No limits of its own: run it in a worker.

    math-verify's own time limits are alarms, which only work in a main thread; they are switched off here.
    Units are not compared (``5 cm`` equals ``5``), ``50%`` is 50, the order of a list without brackets does not
    matter, and neither does the case of text; decimals are equal to 6 digits.
    """
    target, reference = parsed(extracted), parsed(gold)
    if not target or not reference:
        return Verdict("unparsable", extracted)
    equal = _equal(reference, target)
    if not equal and ("=" in extracted) != ("=" in gold):
        sides = [parsed(without_assignment(side)) for side in (gold, extracted)]
        equal = bool(all(sides)) and _equal(*sides)
    if equal:
        equal = not differs(undress(extracted), undress(gold), parsed, _equal)
    return Verdict("correct" if equal else "wrong", extracted)


def _equal(reference: Sequence[Any], target: Sequence[Any]) -> bool:
    """math-verify's comparison, but for numbers outside its rounding; a relation may stand for the set it describes."""
    from math_verify import verify

    numbers = as_inexact_numbers(reference, target)
    equal = None if numbers is None else by_relative_error(*numbers)
    if equal is not None:
        return equal
    return bool(verify(list(reference), list(target), timeout_seconds=None, allow_set_relation_comp=True))


def parsed(text: str) -> list[Any]:
    r"""The expressions that ``text`` may stand for; empty if there are none.

    Both sides are dressed alike, so that a rule of the parser for boxed text cannot favour one of them. What it
    cannot read as boxed (``50\%``) it may read as a formula.
    """
    from math_verify import parse

    text = undress(text)
    for dressed in (r"\boxed{" + text + "}", "$" + text + "$"):
        expressions = parse(dressed, fallback_mode="no_fallback", parsing_timeout=None)
        if expressions:
            return list(expressions)
    return []
