# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gold answers that no response could be verified against, found before anything is trained or sampled."""

from collections.abc import Sequence

from tqdm import tqdm

from hpt.verifier.choice import LETTERS, letter_of
from hpt.verifier.extract import normalize_gold
from hpt.verifier.judge import check_kind, is_integer, is_oversized
from hpt.verifier.pool import DEFAULT_WORKERS, VerifierPool
from hpt.verifier.verdict import Reason, Verdict

_WHY: dict[Reason, str] = {
    "wrong": "is not equal to itself for the parser: only the identical text would be right",
    "unparsable": "is nothing that the parser understands: only the identical text would be right",
    "timeout": "takes longer to compare with itself than the time limit",
    "memory": "takes more memory to compare with itself than the limit",
    "crashed": "ends the process that compares it with itself",
}
# Enough to find the answer in the file.
_SHOWN_CHARACTERS = 80


def gold_problems(
    golds: Sequence[tuple[str, str]], *, workers: int = DEFAULT_WORKERS, progress: bool = True
) -> list[str | None]:
    """Why gold answers cannot be verified.

    A gold answer of kind ``math`` has to equal itself by algebra, as it would have to in another dress; one of kind
    ``choice`` has to be a letter. Integers cost nothing, every other distinct answer one comparison.

    Args:
        golds: (answer, kind) pairs.
        workers: processes; none is started where no algebra is needed.
        progress: show a progress bar while comparing.

    Returns:
        For each pair None, or the reason, to follow the words "gold answer".

    Raises:
        ValueError: an unknown kind.
    """
    found: dict[tuple[str, str], str | None] = {}
    compared: dict[tuple[str, str], str] = {}
    for answer, kind in golds:
        if (answer, kind) in found or (answer, kind) in compared:
            continue
        gold = normalize_gold(answer)
        reason = _without_algebra(gold, kind)
        if reason is None and kind == "math" and not is_integer(gold):
            compared[answer, kind] = gold
        else:
            found[answer, kind] = reason and f"{shown(gold)} {reason}"
    if compared:
        with VerifierPool(workers) as pool:
            verdicts = pool.compare_many((gold, gold) for gold in compared.values())
            bar = tqdm(verdicts, "gold answers", len(compared), unit="answer", disable=not progress)
            for (key, gold), verdict in zip(compared.items(), bar, strict=True):
                found[key] = problem_of(gold, verdict)
    return [found[pair] for pair in golds]


def shown(text: str) -> str:
    """A text in quotes, cut to a length that fits a message."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def _without_algebra(gold: str, kind: str) -> str | None:
    check_kind(kind)
    if not gold:
        return "is empty"
    if kind == "choice":
        return None if letter_of(gold) else f"is no letter from {LETTERS[0]} to {LETTERS[-1]}"
    return "is longer or nested deeper than any answer is" if is_oversized(gold) else None


def problem_of(gold: str, verdict: Verdict) -> str | None:
    """Why a gold answer with this verdict on itself cannot be verified."""
    return None if verdict.score else f"{shown(gold)} {_WHY[verdict.reason]}"
