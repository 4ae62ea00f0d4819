# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rollouts of whole batches: one call per server, one call of the verifier, one write into TransferQueue.

verl's own manager handles each sample by itself: a task, a call to a server, a call to a reward worker and several
writes. Here a batch of questions is answered together, and every sample has a seed of its own, so that a launch can be
repeated exactly. The manager serves single-turn questions; all others go to verl's.

``actor_rollout_ref.rollout.agent.agent_loop_manager_class`` names :class:`RolloutManager`. It runs in the trainer's
process and returns when all rows are in TransferQueue, which suits synchronous training.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
import transfer_queue as tq
from omegaconf import DictConfig
from tensordict import NonTensorData, NonTensorStack, TensorDict
from verl.experimental.agent_loop import AgentLoopManager
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder
from verl.workers.rollout.llm_server import LLMServerClient

from hpt.common.errors import DataError, Problem
from hpt.common.seeds import sample_seed
from hpt.data.ids import question_id
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.rollout_scores import Answer, Scorer
from hpt.verl_ext.sampling import (
    SINGLE_TURN,
    RolloutError,
    Sample,
    SampleRequest,
    response_limit,
    room_for,
    sampling_params,
    settings_of,
)

# Entries of a batch of prompts that say how to sample, and are no part of a row.
NUMBER = "__rollout_n__"
PREFIXES = "__response_prefixes__"
"""Per question a list with the first response tokens of each of its samples; they may be empty."""
_NO_INPUTS: dict[str, Any] = {}
_INSTRUCTIONS = (NUMBER, PREFIXES, "__do_sample__", "validate", "agent_name")


class BatchClient(LLMServerClient):
    """verl's client, which also knows the servers."""

    def __init__(self, *args: Any, servers: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.servers = list(servers)


@dataclass
class Question:
    """A question of a batch.

    Attributes:
        fields: its row of the dataset, with its uid.
        prompt: token ids.
        prefixes: first response tokens of each sample.
        seeds: of each sample.
        samples: what the server generated, in the order of the seeds.
    """

    fields: dict[str, Any]
    prompt: list[int]
    prefixes: list[list[int]]
    seeds: list[int]
    samples: list[Sample] = field(default_factory=list)
    version: int | None = None

    @property
    def uid(self) -> str:
        """Its key in TransferQueue."""
        return str(self.fields["uid"])


class RolloutManager:
    """Answers single-turn questions; see the module's text.

    Args:
        config: the run's.
        llm_client: a :class:`BatchClient`.
        teacher_client: verl's, for its own manager.
        reward_loop_worker_handles: verl's reward workers; None where a colocated reward model scores later.
    """

    def __init__(
        self,
        config: DictConfig,
        llm_client: BatchClient,
        teacher_client: Any = None,
        reward_loop_worker_handles: Sequence[Any] | None = None,
    ) -> None:
        self.config = config
        self.servers = llm_client.servers
        self.stall_timeout = float(config.hpt.stall_timeout)
        self.fewest, self.limit = settings_of(config).min_tokens, response_limit(config)
        model = omega_conf_to_dataclass(config.actor_rollout_ref.model)
        self.tokenizer, self.has_processor = model.tokenizer, model.processor is not None
        if model.get("custom_chat_template", None) is not None:
            self.tokenizer.chat_template = model.custom_chat_template
        self.builder = create_continuous_token_builder(
            self.tokenizer,
            hf_model_type=getattr(model.hf_config, "model_type", None),
            chat_template_kwargs=config.data.get("apply_chat_template_kwargs", {}),
        )
        self.scorer = Scorer(config, self.tokenizer, reward_loop_worker_handles, self.stall_timeout)
        self._for_verls = {
            "config": config,
            "llm_client": llm_client,
            "teacher_client": teacher_client,
            "reward_loop_worker_handles": reward_loop_worker_handles,
        }
        self._verls: AgentLoopManager | None = None

    @classmethod
    def create(cls, **arguments: Any) -> "RolloutManager":
        """Build the manager; verl calls it with the arguments of the constructor."""
        return cls(**arguments)

    def generate_sequences(self, prompts: TensorDict) -> None:
        """Answer the questions and put the rows into TransferQueue.

        Args:
            prompts: rows of the dataset with ``uid``, and the entries ``global_steps`` and, for validation,
                ``validate``. ``__rollout_n__`` is the number of samples per question where it is not the
                configuration's; ``__response_prefixes__`` has the first response tokens of each sample.

        Raises:
            RolloutError: a server or the reward function failed; the message names the cause.
            DataError: a prompt that is empty or too long, or a prefix that is too long.
        """
        default = self.config.actor_rollout_ref.rollout.agent.default_agent_loop
        rows = _as_dicts(prompts)
        names = [str(row.get("agent_name", default)) for row in rows]
        others = [number for number, name in enumerate(names) if name != SINGLE_TURN or self.has_processor]
        if others:
            if self._for_verls["reward_loop_worker_handles"] == []:
                raise RolloutError(
                    f"got {len(others)} questions for verl's own rollout manager (a multimodal model, or another agent "
                    f"loop than {SINGLE_TURN}), which needs reward workers: set reward.num_workers to at least 1"
                )
            if self._verls is None:
                self._verls = AgentLoopManagerTQ.create(**self._for_verls)
            self._verls.generate_sequences(prompts[others] if len(others) < len(rows) else prompts)
        ours = [row for number, row in enumerate(rows) if number not in set(others)]
        if ours:
            self._answer(ours)

    def _answer(self, rows: Sequence[dict[str, Any]]) -> None:
        validate, step = bool(rows[0].get("validate", False)), int(rows[0]["global_steps"])
        questions = self._questions(rows, validate, step)
        self._generate(questions, validate)
        answers = [answer for question in questions for answer in self._answers(question)]
        scores = self.scorer.score(answers)
        partition = "val" if validate else "train"
        self._put(answers, scores, partition, step)
        tq.kv_batch_put(
            keys=[question.uid for question in questions],
            partition_id=partition,
            tags=[{"status": "finished"} for _ in questions],
        )

    # ---- from rows of the dataset to requests ----

    def _questions(self, rows: Sequence[dict[str, Any]], validate: bool, step: int) -> list[Question]:
        rollout = self.config.actor_rollout_ref.rollout
        default, run_seed = (rollout.val_kwargs.n if validate else rollout.n), int(rollout.seed)
        purpose = f"validation/{step}" if validate else step
        taken: Counter[str] = Counter()  # a question that is twice in a batch gets other samples the second time
        questions, problems = [], []
        for row in rows:
            name, number = question_id(row, row.get("demonstration_id")), int(row.get(NUMBER, default))
            prefixes = [list(map(int, prefix)) for prefix in row.get(PREFIXES) or [[]] * number]
            prompt = self.builder.build_initial_tokens(list(row["raw_prompt"]))
            try:
                prompt = self._fitting(prompt)
                self._check(row, number, prefixes, self._room(prompt))
            except ValueError as error:
                problems.append(Problem(f"question {name}", None, str(error)))
                continue
            seeds = [sample_seed(run_seed, purpose, name, taken[name] + sample) for sample in range(number)]
            taken[name] += number
            fields = {key: value for key, value in row.items() if key not in _INSTRUCTIONS}
            questions.append(Question(fields, prompt, prefixes, seeds))
        if problems:
            raise DataError(problems, "Leave these questions out, or change the limits.")
        return questions

    def _fitting(self, prompt: list[int]) -> list[int]:
        """The prompt, cut to ``data.max_prompt_length`` tokens as ``data.truncation`` says."""
        limit, how = self.config.data.max_prompt_length, self.config.data.truncation
        if not prompt:
            raise ValueError("got an empty prompt; expected at least one token")
        if len(prompt) <= limit:
            return prompt
        if how == "left":
            return prompt[-limit:]
        if how == "right":
            return prompt[:limit]
        if how == "middle":
            return prompt[: limit // 2] + prompt[limit // 2 - limit :]
        raise ValueError(f"got a prompt of {len(prompt)} tokens; expected at most data.max_prompt_length={limit}")

    def _room(self, prompt: Sequence[int]) -> int:
        return room_for(len(prompt), self.limit, self.config.actor_rollout_ref.rollout.max_model_len)

    def _check(self, row: Mapping[str, Any], number: int, prefixes: Sequence[Sequence[int]], room: int) -> None:
        fewest = max(1, self.fewest)
        if number < 1:
            raise ValueError(f"got {number} samples; expected at least one")
        if not row.get("__do_sample__", True):
            raise ValueError("got __do_sample__=False, which only verl's own manager honours")
        if len(prefixes) != number:
            raise ValueError(f"got {len(prefixes)} prefixes for {number} samples; expected one for each")
        if (longest := max(map(len, prefixes))) > room - fewest:
            raise ValueError(
                f"got a prefix of {longest} tokens; expected at most {room - fewest}: a response to this prompt may "
                f"have {room}, and at least {fewest} are sampled"
            )

    # ---- generation ----

    def _generate(self, questions: Sequence[Question], validate: bool) -> None:
        """Fill in the samples. A question's samples come from one server, which then computes its prompt once."""
        sampling = sampling_params(self.config, validate)
        shares = {number: questions[number :: len(self.servers)] for number in range(len(self.servers))}
        calls = {
            self.servers[number].generate_batch.remote(
                [request for question in share for request in self._requests(question)], sampling, self.stall_timeout
            ): share
            for number, share in shares.items()
            if share
        }
        answered = ray.get(list(calls))  # raises as soon as one of them fails
        for (samples, version), share in zip(answered, calls.values(), strict=True):
            remaining = iter(samples)
            for question in share:
                question.samples = [next(remaining) for _ in question.seeds]
                question.version = version

    def _requests(self, question: Question) -> list[SampleRequest]:
        room = self._room(question.prompt)
        return [
            SampleRequest(question.prompt + prefix, room - len(prefix), seed)
            for prefix, seed in zip(question.prefixes, question.seeds, strict=True)
        ]

    def _answers(self, question: Question) -> list[Answer]:
        return [
            Answer(
                key=f"{question.uid}_{number}_0",
                fields=question.fields,
                prompt=question.prompt,
                response=prefix + sample.tokens,
                prefix_length=len(prefix),
                # The prefix was not sampled.
                log_probs=None if sample.log_probs is None else [0.0] * len(prefix) + sample.log_probs,
                version=question.version,
                truncated=sample.truncated,
            )
            for number, (prefix, sample) in enumerate(zip(question.prefixes, question.samples, strict=True))
        ]

    # ---- rows ----

    def _put(self, answers: Sequence[Answer], scores: Sequence[Mapping] | None, partition: str, step: int) -> None:
        rows = [_row(answer, None if scores is None else scores[number]) for number, answer in enumerate(answers)]
        tq.kv_batch_put(
            keys=[answer.key for answer in answers],
            partition_id=partition,
            fields=list_of_dict_to_tensordict(_wrapped(rows)),
            tags=[_tag(answer, step) for answer in answers],
        )


def _as_dicts(prompts: TensorDict) -> list[dict[str, Any]]:
    """The rows of a batch; what the batch has as a whole is in each of them."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(prompts))]
    for name, values in prompts.items():
        for number, row in enumerate(rows):
            if isinstance(values, NonTensorData):
                row[name] = values.data
            else:
                row[name] = values[number].data if isinstance(values, NonTensorStack) else values[number]
    return rows


def _row(answer: Answer, score: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of one row, as verl's agent loop writes them, and ``prefix_length``."""
    tokens = row_io.sequence_fields(
        torch.tensor(answer.prompt, dtype=torch.int64),
        torch.tensor(answer.response, dtype=torch.int64),
        score=0.0 if score is None else score["score"],
        masked=False,
    )
    del tokens["rollout_log_probs"]
    if answer.log_probs is not None:
        tokens["rollout_log_probs"] = torch.tensor(answer.log_probs, dtype=torch.float32)
    if score is None:  # a colocated reward model scores later
        del tokens["rm_scores"]
    versions = {"min_global_steps": answer.version, "max_global_steps": answer.version}
    extra: dict[str, Any] = {"turn_scores": [], "tool_rewards": [], **versions}
    if score is not None:
        extra["reward_extra_info"] = score["info"]
    return {
        **answer.fields,
        **tokens,
        "num_turns": 2,
        "prefix_length": torch.tensor(answer.prefix_length),
        "multi_modal_inputs": _NO_INPUTS,
        "extra_fields": extra,
    }


def _wrapped(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what is no tensor as tensordict holds it. Rows with the same object share its wrapper."""
    wrappers: dict[int, NonTensorData] = {}

    def wrapped(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value
        if id(value) not in wrappers:
            wrappers[id(value)] = NonTensorData(value)
        return wrappers[id(value)]

    return [{name: wrapped(value) for name, value in row.items()} for row in rows]


def _tag(answer: Answer, step: int) -> dict[str, Any]:
    return {
        "status": "success",
        **row_io.length_tags(len(answer.prompt), len(answer.response)),
        "prefix_len": answer.prefix_length,
        "truncated": answer.truncated,
        "global_steps": step,
        "min_global_steps": answer.version,
        "max_global_steps": answer.version,
    }
