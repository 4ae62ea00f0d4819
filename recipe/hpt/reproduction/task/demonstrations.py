# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the built-in task that are not flawless: wrong ones, missing ones, and ones in another style.

The questions, their answers and their order stay as they are. What happens to a demonstration is decided per question:
a question that a file repeats has the same demonstration each time. A hash of the seed and the question orders the
questions of each level, and a share is the beginning of this order. So the questions that are affected at 10 % are
affected at 30 %, too, and a mistake is the same in both.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hpt.common.errors import ConfigError
from hpt.common.files import write_json
from hpt.common.settings import Settings, one_of
from hpt.data.degradation import NONE, RIGHT, WRONG_STEP
from hpt.data.mistakes import ERRORS
from recipe.hpt.reproduction.task.questions import (
    MODULUS,
    Demonstration,
    Problem,
    countdown,
    question_text,
    running_sums,
    two_digits,
)

RIGHT_AFTER_WRONG = "right_after_wrong"
KINDS = (RIGHT, WRONG_STEP, RIGHT_AFTER_WRONG, NONE)
"""What ``extra_info.demonstration`` says of a question's demonstration."""
SUMMARY = "demonstrations.json"

Share = Annotated[float, Field(ge=0, le=1)]


def _verbose(problem: Problem, sums: Sequence[int], answer: int) -> str:
    shown = [two_digits(total) for total in sums]
    steps = [
        f"{problem.level - done}:{before}+{problem.addend}={after}."
        for done, (before, after) in enumerate(pairwise(shown))
    ]
    lines = [f"do {question_text(problem).removesuffix('=')}:", *steps]
    return "\n".join([*lines, f"0:{shown[-1]} \\boxed{{{two_digits(answer)}}}"])


def _reversed(problem: Problem, sums: Sequence[int], answer: int) -> str:
    steps, _, box = countdown(problem, sums, answer).partition(" ")
    return f"{','.join(reversed(steps.split(',')))} {box}"


def _notation(problem: Problem, sums: Sequence[int], answer: int) -> str:
    left = range(problem.level, 0, -1)
    steps = [question_text(Problem(total, problem.addend, more)) for total, more in zip(sums, left, strict=False)]
    return f"{''.join(steps)}{two_digits(sums[-1])} \\boxed{{{two_digits(answer)}}}"


STYLES: Mapping[str, Callable[[Problem, Sequence[int], int], str]] = {
    "model": countdown,
    "verbose": _verbose,
    "reversed": _reversed,
    "notation": _notation,
}
"""Style -> the text of (question, running sums, answer)."""


def styled(problem: Problem, style: str) -> str:
    """The right demonstration of a question in a style.

    Raises:
        ConfigError: an unknown style.
    """
    one_of("style", style, STYLES)
    sums = running_sums(problem)
    return STYLES[style](problem, sums, sums[-1])


def tokens_of(text: str) -> int:
    """Tokens of a demonstration in the built-in tokenizer, end token included: one per character and per ``boxed``."""
    return len(text) - text.count("boxed") * (len("boxed") - 1) + 1


def longest(style: str, level: int) -> int:
    """Tokens of the longest demonstration up to a level, end token included."""
    return tokens_of(styled(Problem(0, 1, level), style))


class Demonstrations(Settings):
    """What the training questions' demonstrations are like. The defaults leave all of them as they are.

    Raises:
        ConfigError: a share outside 0..1, shares of wrong ones that are more than all, or an unknown style.
    """

    wrong_step: Share = 0.0
    """Share of the demonstrations with a wrong addition that is carried on, so that their answer is wrong."""
    right_after_wrong: Share = 0.0
    """Share of the demonstrations with wrong steps in between and the right answer."""
    coverage: Share = 1.0
    """Share of the training questions that have a demonstration."""
    mistake: Literal["slip", "carry"] = "slip"
    """What a wrong step is: ``slip``, one addition that is off by a digit, of another size and at another place in each
    demonstration; ``carry``, the same mistake everywhere, a carry that is dropped. Without a carry it is a slip."""
    style: Literal["model", "verbose", "reversed", "notation"] = "model"
    """How demonstrations are written: ``model`` as the base model writes, ``verbose`` with the question and every
    result repeated, ``reversed`` from the last step to the first, ``notation`` as a chain of equal questions."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.wrong_step + self.right_after_wrong > 1 + 1e-9:
            raise ConfigError(
                f"got wrong_step={self.wrong_step} and right_after_wrong={self.right_after_wrong}; a demonstration is "
                "of one kind: choose shares that add up to at most 1"
            )
        return self

    @property
    def changed(self) -> dict[str, float | str]:
        """The knobs that are not at their defaults."""
        return {name: value for name, value in self if value != type(self).model_fields[name].default}

    @property
    def label(self) -> str:
        """A name for a folder, such as ``wrong_step0.3-coverage0.25``; empty for the defaults."""
        parts = (
            f"{name}{value:g}" if isinstance(value, float) else f"{name}_{value}"
            for name, value in self.changed.items()
        )
        return "-".join(parts)

    def kinds(self, problems: Iterable[Problem], seed: int) -> dict[Problem, str]:
        """The kind of each distinct question's demonstration, one of `KINDS`.

        The shares are those of each level's distinct questions, exact to rounding. A share of wrong demonstrations
        counts the questions that have one.
        """
        kinds: dict[Problem, str] = {}
        levels: dict[int, set[Problem]] = {}
        for problem in problems:
            levels.setdefault(problem.level, set()).add(problem)
        for level in sorted(levels):
            by_coverage = _ordered(levels[level], seed, "coverage")
            order = _ordered(by_coverage[: _count(self.coverage, len(by_coverage))], seed, "wrong")
            wrong = _count(self.wrong_step, len(order))
            recovered = min(_count(self.right_after_wrong, len(order)), len(order) - wrong)
            kinds |= dict.fromkeys(by_coverage, NONE) | dict.fromkeys(order, RIGHT)
            kinds |= dict.fromkeys(order[:wrong], WRONG_STEP)
            kinds |= dict.fromkeys(order[len(order) - recovered :], RIGHT_AFTER_WRONG)
        return kinds

    def demonstrate(self, problems: Sequence[Problem], seed: int) -> list[Demonstration]:
        """Each question's demonstration, and what ``extra_info`` says of it: nothing if all settings are defaults."""
        kinds = self.kinds(problems, seed)
        found = []
        for problem in problems:
            kind = kinds[problem]
            notes = {"demonstration": kind, "style": self.style} if self.label else {}
            found.append(Demonstration(self._text(problem, kind, seed), notes))
        return found

    def _text(self, problem: Problem, kind: str, seed: int) -> str | None:
        if kind == NONE:
            return None
        sums = running_sums(problem)
        answer = sums[-1]
        if kind != RIGHT:
            sums = MISTAKES[self.mistake](problem, seed, kind == RIGHT_AFTER_WRONG)
        return STYLES[self.style](problem, sums, sums[-1] if kind == WRONG_STEP else answer)


def with_slip(problem: Problem, seed: int, recovers: bool) -> list[int]:
    """The running sums with one wrong addition, which later additions start from.

    Args:
        problem: the question.
        seed: decides, with the question, which addition is wrong and by how much.
        recovers: the last sum is right again. Level 1 has no other sum than the last; there it stays wrong, and only
            the answer is right.
    """
    rng = random.Random(f"{seed}/mistake/{question_text(problem)}")
    end = _last_wrong(problem, recovers)
    # No error is a multiple of the modulus, so the sum is wrong.
    error, first = rng.choice(ERRORS), rng.randint(1, end)
    sums = running_sums(problem)
    return [(total + error) % MODULUS if first <= done <= end else total for done, total in enumerate(sums)]


def without_carries(problem: Problem, seed: int, recovers: bool) -> list[int]:
    """The running sums of somebody who never carries, 37 + 8 = 35; arguments as :func:`with_slip`'s.

    Each carry that is dropped takes 10 away, so a sum with up to nine of them is wrong.
    """
    sums, end = running_sums(problem), _last_wrong(problem, recovers)
    dropped = [sum(total % 10 + problem.addend >= 10 for total in sums[:done]) for done in range(len(sums))]
    if not dropped[end]:
        return with_slip(problem, seed, recovers)
    return [(total - 10 * dropped[done]) % MODULUS if done <= end else total for done, total in enumerate(sums)]


MISTAKES: Mapping[str, Callable[[Problem, int, bool], list[int]]] = {"slip": with_slip, "carry": without_carries}
"""Kind of a mistake -> the running sums of (question, seed, whether the last sum is right again)."""


def _last_wrong(problem: Problem, recovers: bool) -> int:
    return max(1, problem.level - 1) if recovers else problem.level


def _ordered(problems: Iterable[Problem], seed: int, what: str) -> list[Problem]:
    """The questions in an order that the seed and ``what`` decide."""
    return sorted(
        problems, key=lambda problem: hashlib.sha256(f"{seed}/{what}/{question_text(problem)}".encode()).digest()
    )


def _count(share: float, of: int) -> int:
    """The share as a number, rounded half up, so that a larger share is never a smaller number."""
    return int(share * of + 0.5)


# ---- summary ----


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Level -> ``questions`` (distinct ones) and ``rows`` -> kind -> number, of rows that say their kind."""
    seen: set[str] = set()
    found: dict[str, dict[str, Counter[str]]] = {}
    for row in rows:
        info, question = row["extra_info"], row["prompt"][-1]["content"]
        numbers = found.setdefault(str(info["level"]), {"questions": Counter(), "rows": Counter()})
        numbers["rows"][info["demonstration"]] += 1
        numbers["questions"][info["demonstration"]] += question not in seen
        seen.add(question)
    return {
        level: {unit: {kind: counts[kind] for kind in KINDS} for unit, counts in found[level].items()}
        for level in sorted(found)
    }


def write_summary(folder: Path, demonstrations: Demonstrations, seed: int, rows: Iterable[Mapping[str, Any]]) -> str:
    """Write the settings and `counted` to `SUMMARY` in the folder, and return them as lines of text."""
    levels = counted(rows)
    record = {"seed": seed, "settings": demonstrations.model_dump(), "levels": levels}
    write_json(folder / SUMMARY, record)
    table = [f"{'level':<8}" + "".join(f"{kind:>19}" for kind in KINDS)]
    table += [
        f"{level:<8}" + "".join(f"{numbers['questions'][kind]:>19}" for kind in KINDS)
        for level, numbers in levels.items()
    ]
    return "\n".join([f"demonstrations of the distinct training questions, style {demonstrations.style}:", *table])
