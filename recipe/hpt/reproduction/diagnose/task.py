# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The questions of a task's training file, and the verifier's scores of their rollouts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt.data.checks import check_files, iter_rows, solution_text
from hpt.verifier import VerifierPool
from recipe.hpt.reproduction.diagnose.questions import Question, Rollouts

COLUMNS = ("prompt", "target", "reward_model")
NO_ROLLOUTS = Rollouts([], [])


@dataclass(frozen=True)
class TaskQuestion:
    """One row of the file.

    Attributes:
        prompt: token ids.
        solution: token ids of the gold solution, one end token last.
        answer: what the verifier compares with.
    """

    prompt: tuple[int, ...]
    solution: tuple[int, ...]
    answer: str

    def question(self, pool: Rollouts = NO_ROLLOUTS) -> Question:
        return Question(self.prompt, pool, self.solution)


def read_questions(path: Path, tokenizer, count: int, max_response_length: int, seed: int) -> list[TaskQuestion]:
    """``count`` questions of a file in verl's format, distinct, drawn and ordered by ``seed``.

    Questions without a gold solution, and with one longer than ``max_response_length``, are passed over.

    Args:
        path: a parquet file with the columns prompt, target and reward_model.
        tokenizer: the model's, with a chat template and an end-of-sequence token.

    Raises:
        ValueError: a file that cannot be used, or that has too few such questions.
    """
    check_files(path, require_target=True)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "got a tokenizer without an end-of-sequence token, with which solutions have to end; "
            "set eos_token in its tokenizer_config.json"
        )
    found: dict[tuple[int, ...], TaskQuestion] = {}
    for _, row in iter_rows(str(path), COLUMNS):
        text = solution_text(row["target"])
        if text is None:
            continue
        prompt = tuple(_prompt_ids(tokenizer, row["prompt"]))
        solution = (*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id)
        if len(solution) <= max_response_length:
            answer = row["reward_model"]["ground_truth"]
            found.setdefault(prompt, TaskQuestion(prompt, solution, answer))
    if len(found) < count:
        raise ValueError(
            f"{path} has {len(found)} distinct questions with a gold solution of at most "
            f"{max_response_length} tokens; {count} are needed: take fewer (--questions, "
            "--warmup-steps, --drift-steps) or another file"
        )
    return random.Random(f"{seed}/diagnose").sample(list(found.values()), count)


def _prompt_ids(tokenizer, messages: Sequence[dict]) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def scored(tokenizer, questions: Sequence[TaskQuestion], responses: Sequence[Sequence[list[int]]]) -> list[Rollouts]:
    """The responses of each question with the verifier's scores."""
    texts = [tokenizer.batch_decode(each, skip_special_tokens=True) for each in responses]
    items = [(text, question.answer, "math") for question, rows in zip(questions, texts, strict=True) for text in rows]
    with VerifierPool() as pool:
        verdicts = iter(pool.verify_many(items))
    return [Rollouts(rows, [next(verdicts).score for _ in rows]) for rows in responses]
