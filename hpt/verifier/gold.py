# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Find gold answers that hardly a response could match, before anything is trained or sampled."""

from collections.abc import Sequence

from tqdm import tqdm

from hpt.verifier.choice import LETTERS, letter_of
from hpt.verifier.extract import normalize_gold
from hpt.verifier.judge import gold_kind, is_oversized
from hpt.verifier.kinds import Judge, check_kind, own_judge
from hpt.verifier.pool import DEFAULT_WORKERS, VerifierPool
from hpt.verifier.verdict import GoldKind, Reason

# A user's own verifier judges an empty response, which only a mistake would call right.
_WHY_OWN: dict[Reason, str] = {
    "correct": "its verifier calls an empty response correct",
    "timeout": "its verifier takes longer than the time limit with it",
    "memory": "its verifier takes more memory than the limit with it",
    "crashed": "its verifier fails with it (see the warning before this message)",
}


def kind_of_gold(answer: str, kind: str) -> GoldKind | None:
    """How a gold answer of a kind is compared; None for a user's own kind.

    Raises:
        ValueError: an unknown kind.
    """
    check_kind(kind)
    if own_judge(kind) is not None:
        return None
    gold = normalize_gold(answer)
    if kind == "choice":
        return "exact" if letter_of(gold) else "unverifiable"
    return gold_kind(gold) if gold else "unverifiable"


def gold_problems(
    answers: Sequence[tuple[str, str]], *, workers: int = DEFAULT_WORKERS, progress: bool = True
) -> list[str | None]:
    """Say why gold answers cannot be verified.

    One of kind ``math`` must be a formula that the grammar reads as a whole, or a text. One of kind ``choice`` must be
    a letter. A registered function must not call an empty response correct.

    Args:
        answers: (gold answer, kind) pairs.
        workers: processes for registered functions; none is started without such a function.
        progress: show a progress bar.

    Returns:
        For each pair None, or the reason, a clause about "it".

    Raises:
        ValueError: an unknown kind.
    """
    distinct = dict.fromkeys(answers)
    own = {(answer, kind): judge for answer, kind in distinct if (judge := own_judge(kind)) is not None}
    bar = tqdm([pair for pair in distinct if pair not in own], "gold answers", unit="answer", disable=not progress)
    found = {pair: _why_unverifiable(*pair) for pair in bar} | (_why_own(own, workers) if own else {})
    return [found[pair] for pair in answers]


def _why_unverifiable(answer: str, kind: str) -> str | None:
    if kind_of_gold(answer, kind) != "unverifiable":
        return None
    gold = normalize_gold(answer)
    if not gold:
        return "it is empty"
    if kind == "choice":
        return f"it is not a letter from {LETTERS[0]} to {LETTERS[-1]}"
    if is_oversized(gold):
        return "it is longer or nested deeper than any real answer"
    return "the verifier does not understand it, so only an answer in the same notation would be right"


def _why_own(own: dict[tuple[str, str], Judge], workers: int) -> dict[tuple[str, str], str | None]:
    compared = {pair: ("", pair[0], judge) for pair, judge in own.items()}
    with VerifierPool(workers) as pool:
        first = dict(zip(compared, pool.compare_many(compared.values()), strict=True))
        # On a busy machine a comparison may have been starved. A real timeout repeats when it runs alone.
        late = [pair for pair, verdict in first.items() if verdict.reason == "timeout"]
        second = {pair: next(pool.compare_many([compared[pair]])) for pair in late}
        return {pair: _WHY_OWN.get(verdict.reason) for pair, verdict in {**first, **second}.items()}
