# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Training sets from OpenR1-Math: the subset of 46k verified solutions, and the questions outside it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tqdm import tqdm

from hpt.common.errors import SourceError
from hpt.data.candidates import Candidate, Layout, text_of
from hpt.data.checks import solution_text
from hpt.data.counts import Rejected
from hpt.data.questions import question_key
from hpt.data.sources import Source
from hpt.data.thinking import with_thinking

SUBSET = "Elliott/Openr1-Math-46k-8192"
COMPLETE = "open-r1/OpenR1-Math-220k"
COMPLEMENT = "openr1_complement"
"""The data_source of the complement's questions."""

NO_QUESTION = "no question"
OTHER_PROMPT = "prompt other than one question of the user's"
NO_SOLUTION = "no demonstration"
IN_SUBSET = "question of the subset"
NO_GENERATION = "no verified, complete generation"
# The data set writes one of these where there is no final answer.
_PLACEHOLDERS = frozenset({"proof", "not found", "notfound", "none"})


def subset_layout(think: str) -> Layout:
    """How to read `SUBSET`; its prompts have a system message, which is left out."""

    def answer(values: dict[str, Any]) -> str | None:
        reward_model = values.get("reward_model")
        gold = reward_model.get("ground_truth") if isinstance(reward_model, dict) else None
        return gold if isinstance(gold, str) and gold.strip() else None

    def candidate(values: dict[str, Any]) -> Candidate:
        question = _question(values.get("prompt"))
        try:
            solution = solution_text(values.get("target"))
        except ValueError as error:
            raise Rejected(NO_SOLUTION, str(error)) from error
        if solution is None:
            raise Rejected(NO_SOLUTION)
        return Candidate(
            question=question,
            answer=answer(values) or "",
            solution=with_thinking(solution, think),
            data_source=text_of(values, "data_source", "no data_source"),
            # extra_info.index is no id: it counts rows of an earlier selection, or is -1 throughout.
            source_id=(values.get("extra_info") or {}).get("id"),
        )

    columns = ("data_source", "prompt", "target", "reward_model")
    return Layout(columns, ("reward_model",), answer, candidate)


def complement_layout(subset_keys: set[str], think: str) -> Layout:
    """How to read `COMPLETE` without the subset's questions.

    The demonstration is the shortest generation, in characters, that math-verify found correct and whose reasoning is
    complete; among equally short ones it is the first.

    Args:
        subset_keys: ``question_key`` of the subset's questions.
        think: the policy for tags; generations that break their rule are left out.
    """

    def answer(values: dict[str, Any]) -> str | None:
        gold = values.get("answer")
        if not isinstance(gold, str) or gold.strip().casefold() in {"", *_PLACEHOLDERS}:
            return None
        return gold

    def candidate(values: dict[str, Any]) -> Candidate:
        question = text_of(values, "problem", NO_QUESTION)
        if question_key(question) in subset_keys:
            raise Rejected(IN_SUBSET)
        solutions = list(_verified(values, think))
        if not solutions:
            raise Rejected(NO_GENERATION)
        return Candidate(
            question=question,
            answer=answer(values) or "",
            solution=min(solutions, key=len),
            data_source=COMPLEMENT,
            source_id=values.get("uuid"),
            info={"source": values.get("source")},
        )

    columns = ("problem", "answer", "uuid", "generations", "correctness_math_verify", "is_reasoning_complete")
    return Layout(columns, ("answer",), answer, candidate, info=("source",))


def subset_keys(subset: Source, progress: bool = True) -> set[str]:
    """``question_key`` of every question of the subset, as it was released or as it is prepared here.

    Raises:
        SourceError: a row has no question.
    """
    subset.require(["prompt"])
    keys = set()
    rows = subset.rows(["prompt"])
    bar = tqdm(rows, total=subset.count, desc="questions of the subset", unit="row", disable=not progress)
    for row, values in enumerate(bar):
        try:
            keys.add(question_key(_question(values.get("prompt"))))
        except Rejected as rejected:
            raise SourceError(f"{subset.name}, row {row}: {rejected.reason}") from rejected
    return keys


def _question(prompt: Any) -> str:
    """The user's message; a prompt may have one such message and a system message."""
    if not isinstance(prompt, list) or not all(isinstance(each, dict) for each in prompt):
        raise Rejected(NO_QUESTION)
    roles = [message.get("role") for message in prompt if message.get("role") != "system"]
    if roles != ["user"]:
        raise Rejected(OTHER_PROMPT)
    (message,) = (message for message in prompt if message["role"] == "user")
    return text_of(message, "content", NO_QUESTION)


def _verified(values: dict[str, Any], think: str) -> Iterator[str]:
    """The generations that are correct, complete and follow the rule for tags."""
    generations = values.get("generations") or []
    correct = values.get("correctness_math_verify") or []
    complete = values.get("is_reasoning_complete") or []
    if not len(generations) == len(correct) == len(complete):
        raise Rejected("lists of generations and of their verdicts differ in length")
    for text, is_correct, is_complete in zip(generations, correct, complete, strict=True):
        if is_correct is True and is_complete is True and isinstance(text, str) and text.strip():
            with suppress(Rejected):
                yield with_thinking(text, think)
