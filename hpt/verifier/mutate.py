# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Answers with one change each, none of which a verifier should accept for the answer itself."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tqdm import tqdm

from hpt.verifier.extract import normalize_gold
from hpt.verifier.pool import DEFAULT_WORKERS, VerifierPool

_COMMAND = re.compile(r"\\[a-zA-Z]+|\\.")
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname|begin|end)\s*\{[^{}]*\}|\{[rcl|]+\}")
# Answers that a minus before them changes: no words, no sets, no brackets that are no factor, not 0.
_SIGNED = re.compile(r"(?!0(?![.\d])|\\(?:text|mathbb|\{|begin)|\((?!.*\)\s*[\^\d\\a-z]))[\d\\(]")
_RELATIONS = (
    (r"\\leq?(?:slant)?(?![a-z])", ">"),
    (r"\\geq?(?:slant)?(?![a-z])", "<"),
    ("<", ">"),
    (">", "<"),
    (r"\\neq?(?![a-z])", "="),
)


def mutations(answer: str, seed: int = 0, per_kind: int = 3) -> Iterator[tuple[str, str]]:
    """(kind of the change, changed answer): digits, signs, relations, brackets, variables and dropped parts.

    Args:
        answer: a gold answer.
        seed: chooses among the places where a kind of change is possible.
        per_kind: at most so many changes of a kind.
    """
    rng = random.Random(f"{seed} {answer}")
    hidden = [match.span() for pattern in (_TEXT, _COMMAND) for match in pattern.finditer(answer)]
    free = [not any(start <= index < end for start, end in hidden) for index in range(len(answer))]
    found: dict[str, list[str]] = {}

    def add(kind: str, start: int, end: int, new: str) -> None:
        changed = answer[:start] + new + answer[end:]
        if changed != answer:
            found.setdefault(kind, []).append(changed)

    for index, character in enumerate(answer):
        if not free[index]:
            continue
        if character.isascii() and character.isdigit():
            add("digit", index, index + 1, str((int(character) + rng.randint(1, 8)) % 9 + 1 if character != "9" else 3))
        elif character in "+-":
            add("sign", index, index + 1, "-" if character == "+" else "+")
        elif character.isalpha() and character.isascii() and character not in "ei":
            add("variable", index, index + 1, "w" if character != "w" else "v")
        elif character in "([" and len(_items(answer)) == 0 and "," in answer:
            add("bracket", index, index + 1, "[" if character == "(" else "(")
    for pattern, new in _RELATIONS:
        for match in re.finditer(pattern, answer):
            add("relation", *match.span(), new)
    if _SIGNED.match(answer):
        found["minus"] = ["-" + answer]
    items = _items(answer)
    for index in range(len(items)):
        if r"\in" not in items[index]:  # the domain of a parameter may be left out
            found.setdefault("dropped", []).append(",".join(items[:index] + items[index + 1 :]))
    for kind, changed in found.items():
        for each in rng.sample(changed, min(per_kind, len(changed))):
            yield kind, each


def _items(answer: str) -> list[str]:
    """The items of a list without brackets; none if the answer is no list."""
    depth, cuts = 0, [-1]
    if re.fullmatch(r"[\d,. $]*", answer) and re.search(r"\d,\d{3}(?!\d)", answer):
        return []
    for index, character in enumerate(answer):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            cuts.append(index)
    cuts.append(len(answer))
    items = [answer[start + 1 : end] for start, end in pairwise(cuts)]
    return items if len(items) > 1 else []


@dataclass
class Trial:
    """What became of changed gold answers.

    Attributes:
        tried: kind of change -> number of changed answers.
        accepted: kind of change -> (changed answer, gold answer) of those that were taken for right.
        refused: gold answers that were not accepted for themselves.
    """

    tried: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    refused: list[str] = field(default_factory=list)


def try_mutations(
    answers: Sequence[str],
    *,
    per_kind: int = 3,
    seed: int = 0,
    workers: int = DEFAULT_WORKERS,
    progress: bool = True,
) -> Trial:
    """Verify gold answers of kind ``math`` against themselves and against changed ones."""
    bare = [normalize_gold(answer) for answer in answers]
    trials = [("itself", answer, answer) for answer in bare]
    trials += [(kind, changed, answer) for answer in bare for kind, changed in mutations(answer, seed, per_kind)]
    found = Trial()
    with VerifierPool(workers) as pool:
        compared = pool.compare_many((changed, answer, None) for _, changed, answer in trials)
        verdicts = tqdm(compared, "answers", len(trials), unit="answer", disable=not progress)
        for (kind, changed, answer), verdict in zip(trials, verdicts, strict=True):
            if kind == "itself":
                found.refused += [answer] * (verdict.score == 0.0)
                continue
            found.tried[kind] += 1
            if verdict.score == 1.0:
                found.accepted[kind].append((changed, answer))
    return found
