"""Compare an extracted answer with the gold answer: an exact screen, and the symbolic comparison.

``screen`` is instant and runs in the caller. ``judge`` may run forever on a hostile answer (``10^{10^{10}}``), so
it runs only in workers that can be killed: see ``hpt.verifier.pool``.
"""

import re
from typing import Any

from hpt.verifier.verdict import Verdict

KINDS = ("math",)

# Python refuses to convert integers of more than 4300 digits; such an answer is left to the symbolic comparison.
MAX_SCREENED_DIGITS = 1000
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_SCREENED_DIGITS}}}")


def check_kind(kind: str) -> None:
    """Raise ValueError for a kind of answer that nothing here verifies."""
    if kind not in KINDS:
        raise ValueError(f"Unknown kind of answer {kind!r}. Available: {', '.join(KINDS)}")


def screen(extracted: str | None, gold: str) -> Verdict | None:
    """Decide the cases that need no algebra; None if the comparison has to be made.

    Exact, not a heuristic: a missing answer is never right; identical text denotes the same thing, whatever that
    is; two decimal integers are equal exactly if their values are. Every other pair can be equal in some dress.
    """
    if extracted is None:
        return Verdict("no_answer")
    if extracted == gold:
        return Verdict("correct", extracted)
    if _INTEGER.fullmatch(extracted) and _INTEGER.fullmatch(gold):
        return Verdict("correct" if int(extracted) == int(gold) else "wrong", extracted)
    return None


def judge(extracted: str, gold: str, kind: str = "math") -> Verdict:
    """The symbolic comparison, by math-verify. No time limit of its own: run it in a worker.

    math-verify's own limits are alarms, which only work in a main thread; they are switched off here.
    """
    check_kind(kind)
    from math_verify import verify

    target, reference = _parse(extracted), _parse(gold)
    if not target or not reference:
        return Verdict("unparsable", extracted)
    equal = verify(reference, target, timeout_seconds=None)
    return Verdict("correct" if equal else "wrong", extracted)


def _parse(text: str) -> list[Any]:
    r"""The expressions that ``text`` may stand for; empty if there are none.

    Both sides are dressed alike, so that a rule of the parser for boxed text cannot favour one of them. What it
    cannot read as boxed (``50\%``) it may read as a formula.
    """
    from math_verify import parse

    for dressed in (r"\boxed{" + text + "}", "$" + text + "$"):
        expressions = parse(dressed, fallback_mode="no_fallback", parsing_timeout=None)
        if expressions:
            return list(expressions)
    return []
