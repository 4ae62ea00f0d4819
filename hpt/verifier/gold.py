# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Find gold answers that no response could match, before anything is trained or sampled."""

from collections.abc import Sequence

from tqdm import tqdm

from hpt.verifier.choice import LETTERS, letter_of
from hpt.verifier.extract import normalize_gold
from hpt.verifier.judge import is_integer, is_oversized
from hpt.verifier.kinds import Judge, check_kind, own_judge
from hpt.verifier.pool import DEFAULT_WORKERS, VerifierPool
from hpt.verifier.verdict import Reason

_WHY: dict[Reason, str] = {
    "wrong": "the parser does not find it equal to itself, so only the identical text would be right",
    "unparsable": "the parser does not understand it, so only the identical text would be right",
    "timeout": "comparing it with itself takes longer than the time limit",
    "memory": "comparing it with itself takes more memory than the limit",
    "crashed": "comparing it with itself ends the process that does it",
}
# A user's own verifier judges an empty response, which only a mistake would call right.
_WHY_OWN: dict[Reason, str] = {
    "correct": "its verifier calls an empty response correct",
    "timeout": "its verifier takes longer than the time limit with it",
    "memory": "its verifier takes more memory than the limit with it",
    "crashed": "its verifier fails with it (see the warning before this message)",
}


def gold_problems(
    answers: Sequence[tuple[str, str]], *, workers: int = DEFAULT_WORKERS, progress: bool = True
) -> list[str | None]:
    """Say why gold answers cannot be verified.

    A gold answer of kind ``math`` must equal itself by algebra, as it must equal a response that writes it differently.
    One of kind ``choice`` must be a letter. A registered function must not call an empty response correct. Integers and
    letters cost nothing, every other distinct answer costs one comparison.

    Args:
        answers: (gold answer, kind) pairs.
        workers: processes; none is started if no algebra is needed.
        progress: show a progress bar while comparing.

    Returns:
        For each pair None, or the reason, a clause about "it".

    Raises:
        ValueError: an unknown kind.
    """
    found: dict[tuple[str, str], str | None] = {}
    compared: dict[tuple[str, str], tuple[str, str, Judge | None]] = {}
    for answer, kind in answers:
        if (answer, kind) in found or (answer, kind) in compared:
            continue
        gold = normalize_gold(answer)
        reason = _without_algebra(gold, kind)
        own = own_judge(kind)
        if reason is None and own is not None:
            compared[answer, kind] = "", answer, own
        elif reason is None and kind == "math" and not is_integer(gold):
            compared[answer, kind] = gold, gold, None
        else:
            found[answer, kind] = reason
    if compared:
        with VerifierPool(workers) as pool:
            verdicts = pool.compare_many(compared.values())
            bar = tqdm(verdicts, "gold answers", len(compared), unit="answer", disable=not progress)
            first = dict(zip(compared, bar, strict=True))
            # On a busy machine a comparison may have been starved. A real timeout repeats when it runs alone.
            late = [key for key, verdict in first.items() if verdict.reason == "timeout"]
            again = (pool.compare_many([compared[key]]) for key in late)
            second = {key: next(verdicts) for key, verdicts in zip(late, again, strict=True)}
            for key, verdict in {**first, **second}.items():
                found[key] = (_WHY_OWN if own_judge(key[1]) else _WHY).get(verdict.reason)
    return [found[pair] for pair in answers]


def _without_algebra(gold: str, kind: str) -> str | None:
    check_kind(kind)
    if not gold:
        return "it is empty"
    if kind == "choice":
        return None if letter_of(gold) else f"it is not a letter from {LETTERS[0]} to {LETTERS[-1]}"
    if own_judge(kind) is not None:
        return None
    return "it is longer or nested deeper than any real answer" if is_oversized(gold) else None
