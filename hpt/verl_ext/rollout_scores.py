# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Scores for the answers of a batch, in one call of the verifier or of each of verl's reward workers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from omegaconf import DictConfig
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from tensordict import TensorDict
from torch.nn.utils.rnn import pad_sequence
from verl import DataProto

from hpt.common.settings import plain
from hpt.verifier.extract import opening_of
from hpt.verifier.reward import score_many
from hpt.verl_ext.sampling import RolloutError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """One sample of a question.

    Attributes:
        key: of its row.
        fields: the question's row of the dataset.
        prompt, response: token ids; ``prefix_length`` of the response were given.
        log_probs: per response token under the server's policy; None unless asked for.
        version: training step that made the server's weights.
        truncated: whether the response was cut off before its end.
        imitated: first tokens of the response that the SFT term acts on, where it acts on prefixes.
    """

    key: str
    fields: Mapping[str, Any]
    prompt: list[int]
    response: list[int]
    prefix_length: int
    log_probs: list[float] | None
    version: int | None
    truncated: bool
    imitated: int = 0


class Scorer:
    """Scores answers in this process's verifier, or in verl's reward workers where there are any.

    Args:
        config: the run's.
        tokenizer: for the text of the responses.
        workers: verl's reward workers; None where a colocated reward model scores later.
        timeout_s: for one call of the reward workers; the verifier has limits of its own.
    """

    def __init__(self, config: DictConfig, tokenizer: Any, workers: Sequence[Any] | None, timeout_s: float) -> None:
        self.tokenizer, self.workers, self.timeout_s = tokenizer, workers, timeout_s
        self.reward_kwargs = plain(config.reward.custom_reward_function.get("reward_kwargs") or {})
        self.name = f"{config.reward.custom_reward_function.path}:{config.reward.custom_reward_function.name}"

    def score(self, answers: Sequence[Answer]) -> list[dict[str, Any]] | None:
        """Score the answers.

        Returns:
            Per answer {"score": number, "info": what the reward function returned}; None where a colocated reward model
            scores later.

        Raises:
            RolloutError: the reward function raised, or the reward workers took longer than ``timeout_s``.
        """
        if self.workers is None:
            return None
        return self._by_workers(answers) if self.workers else self._by_verifier(answers)

    def _by_verifier(self, answers: Sequence[Answer]) -> list[dict[str, Any]]:
        texts = self.tokenizer.batch_decode([answer.response for answer in answers], skip_special_tokens=True)
        openings = [opening_of(answer.prompt, self.tokenizer) for answer in answers]
        texts = [opening + text for opening, text in zip(openings, texts, strict=True)]
        extras = [answer.fields.get("extra_info") for answer in answers]
        gold_answers = [answer.fields["reward_model"]["ground_truth"] for answer in answers]
        results = score_many(texts, gold_answers, extras, **self.reward_kwargs)
        return [{"score": result["score"], "info": result} for result in results]

    def _by_workers(self, answers: Sequence[Answer]) -> list[dict[str, Any]]:
        assert self.workers is not None
        size = -(-len(answers) // len(self.workers))
        parts = [answers[start : start + size] for start in range(0, len(answers), size)]
        calls = [
            worker.compute_score_batch.remote(_as_verl_sees_it(part))
            for worker, part in zip(self.workers, parts, strict=False)
        ]
        try:
            results = [result for of_worker in ray.get(calls, timeout=self.timeout_s) for result in of_worker]
        except GetTimeoutError as error:
            raise RolloutError(
                f"the reward function {self.name} has not scored {len(answers)} answers within {self.timeout_s:g} s "
                "(hpt.stall_timeout)"
            ) from error
        except RayTaskError as error:
            cause = error.cause
            logger.error("%s", error)  # with the traceback, of which the message below is the last line
            raise RolloutError(f"the reward function {self.name} raised {type(cause).__name__}: {cause}") from error
        except RayActorError as error:
            raise RolloutError(f"a reward worker has died while it ran {self.name}: {error}") from error
        return [{"score": result["reward_score"], "info": result["reward_extra_info"]} for result in results]


def _as_verl_sees_it(answers: Sequence[Answer]) -> DataProto:
    """The batch that verl's reward managers read: prompts padded on the left, responses on the right."""
    prompts = [torch.tensor(answer.prompt) for answer in answers]
    responses = [torch.tensor(answer.response) for answer in answers]
    batch, masks = {}, []
    for name, rows, side in (("prompts", prompts, "left"), ("responses", responses, "right")):
        batch[name] = pad_sequence(rows, batch_first=True, padding_side=side)
        ones = [torch.ones_like(row) for row in rows]
        masks.append(pad_sequence(ones, batch_first=True, padding_side=side))
    batch["attention_mask"] = torch.cat(masks, dim=1)
    others: dict[str, Any] = {}
    columns = {
        **{name: [answer.fields[name] for answer in answers] for name in answers[0].fields},
        "__num_turns__": [2] * len(answers),
        "tool_extra_fields": [{} for _ in answers],
        "prompt_len": [len(answer.prompt) for answer in answers],
        "response_len": [len(answer.response) for answer in answers],
    }
    for name, values in columns.items():
        others[name] = np.empty(len(values), dtype=object)
        others[name][:] = values
    return DataProto(batch=TensorDict(batch, batch_size=len(answers)), non_tensor_batch=others)
