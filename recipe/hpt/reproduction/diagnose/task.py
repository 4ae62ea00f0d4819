# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The questions of a task's training file, and the verifier's scores of their rollouts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt.common.errors import ConfigError
from hpt.common.settings import one_of
from hpt.common.tokenizers import with_eos
from hpt.data.checks import check_files, iter_rows, solution_text
from hpt.data.gold_answers import DEFAULT_KIND, gold_answer_of
from hpt.verifier import VerifierPool
from hpt.verifier.kinds import available
from recipe.hpt.reproduction.diagnose.questions import Question, Rollouts

COLUMNS = ("prompt", "target", "reward_model", "extra_info")
NO_ROLLOUTS = Rollouts([], [])


@dataclass(frozen=True)
class TaskQuestion:
    """One row of the file.

    Attributes:
        prompt: token ids.
        demonstration: token ids, with one end token at the end.
        answer: the gold answer, which the verifier compares with.
        kind: of verifier.
    """

    prompt: tuple[int, ...]
    demonstration: tuple[int, ...]
    answer: str
    kind: str = DEFAULT_KIND

    def question(self, pool: Rollouts = NO_ROLLOUTS) -> Question:
        """The question with a pool of rollouts."""
        return Question(self.prompt, pool, self.demonstration)


def read_questions(path: Path, tokenizer, count: int, max_response_length: int, seed: int) -> list[TaskQuestion]:
    """``count`` distinct questions from a file in verl's format; ``seed`` decides which, and their order.

    Questions without a demonstration, or with one longer than ``max_response_length``, are passed over.

    Args:
        path: a parquet file with the columns prompt, target and reward_model.
        tokenizer: the model's tokenizer, with a chat template and an end-of-sequence token.
        count: number of questions.
        max_response_length: longest demonstration in tokens, end token included.
        seed: seed of the draw.

    Raises:
        HPTError: a file that cannot be used or has too few such questions, or a tokenizer without an end token.
    """
    check_files(path, require_target=True)
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            "got a tokenizer without an end-of-sequence token; demonstrations have to end with one: set eos_token in "
            "its tokenizer_config.json"
        )
    found: dict[tuple[int, ...], TaskQuestion] = {}
    for _, row in iter_rows(str(path), COLUMNS):
        text = solution_text(row["target"])
        if text is None:
            continue
        prompt = tuple(_prompt_ids(tokenizer, row["prompt"]))
        demonstration = tuple(with_eos([text], tokenizer)[0])
        if len(demonstration) <= max_response_length:
            answer, kind = gold_answer_of(row)
            one_of(f"verifier_kind in {path}", kind, available())
            found.setdefault(prompt, TaskQuestion(prompt, demonstration, answer, kind))
    if len(found) < count:
        raise ConfigError(
            f"got {path} with {len(found)} distinct questions whose demonstration has at most {max_response_length} "
            f"tokens; {count} are needed: take fewer (--questions, --warmup-steps, --drift-steps) or another file"
        )
    return random.Random(f"{seed}/diagnose").sample(list(found.values()), count)


def _prompt_ids(tokenizer, messages: Sequence[dict]) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def scored(tokenizer, questions: Sequence[TaskQuestion], responses: Sequence[Sequence[list[int]]]) -> list[Rollouts]:
    """The responses to each question, with the verifier's scores."""
    texts = [tokenizer.batch_decode(each, skip_special_tokens=True) for each in responses]
    items = [
        (text, question.answer, question.kind) for question, rows in zip(questions, texts, strict=True) for text in rows
    ]
    with VerifierPool() as pool:
        verdicts = iter(pool.verify_many(items))
    return [Rollouts(rows, [next(verdicts).score for _ in rows]) for rows in responses]
