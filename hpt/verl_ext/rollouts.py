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
from functools import cached_property
from random import Random
from typing import Any

import ray
import transfer_queue as tq
from omegaconf import DictConfig
from tensordict import TensorDict
from verl.experimental.agent_loop import AgentLoopManager
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ
from verl.utils.config import omega_conf_to_dataclass
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder
from verl.workers.rollout.llm_server import LLMServerClient

from hpt.common.errors import DataError, Problem
from hpt.common.seeds import sample_seed
from hpt.data.ids import question_id
from hpt.method.config import HPTConfig
from hpt.method.draws import Draws, Known
from hpt.verl_ext.rollout_questions import Asked, Question
from hpt.verl_ext.rollout_rows import as_dicts, row_of, tag_of, wrapped_rows
from hpt.verl_ext.rollout_scores import Scorer
from hpt.verl_ext.sampling import (
    SINGLE_TURN,
    RolloutError,
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
DEMONSTRATION = "__demonstration__"
"""Per question the tokens of its demonstration, or none, for methods that draw behind its first tokens."""
_INSTRUCTIONS = (NUMBER, PREFIXES, DEMONSTRATION, "__do_sample__", "validate", "agent_name")
LATER_ROUNDS = 1_000_000
"""Numbers of samples that no first round has are multiples of it and what follows them."""


class BatchClient(LLMServerClient):
    """verl's client, which also knows the servers."""

    def __init__(self, *args: Any, servers: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.servers = list(servers)


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
        rows = as_dicts(prompts)
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

    @cached_property
    def draws(self) -> Draws | None:
        """How the strategy draws a training question's samples; None: plainly."""
        return HPTConfig.from_mapping(self.config.hpt).draws

    def _answer(self, rows: Sequence[dict[str, Any]]) -> None:
        validate, step = bool(rows[0].get("validate", False)), int(rows[0]["global_steps"])
        questions = self._questions(rows, validate, step)
        draws, pending = None if validate else self.draws, [(each, each.asked) for each in questions]
        while pending:
            self._generate(pending, validate)
            self._score(pending)
            further = [] if draws is None else [(each, self._further(draws, each, step)) for each in questions]
            pending = [(question, asked) for question, asked in further if asked]
        for question in questions:
            if draws is not None and question.known is not None:
                question.kept = draws.keep(question.known, question.drawn)
        self._put(questions, "val" if validate else "train", step)

    def _score(self, pending: Sequence[tuple[Question, list[Asked]]]) -> None:
        every = [(question, asked) for question, of_question in pending for asked in of_question]
        scores = self.scorer.score([question.answer(place, asked) for place, (question, asked) in enumerate(every)])
        if scores is not None:  # else a colocated reward model scores later
            for (_, asked), score in zip(every, scores, strict=True):
                asked.score = score

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
            fields = {key: value for key, value in row.items() if key not in _INSTRUCTIONS}
            try:
                question = Question(fields, name, self._fitting(prompt), taken[name])
                self._check(row, number, prefixes, self._room(question.prompt))
            except ValueError as error:
                problems.append(Problem(f"question {name}", None, str(error)))
                continue
            seeds = [sample_seed(run_seed, purpose, name, taken[name] + sample) for sample in range(number)]
            taken[name] += number
            question.asked = [Asked(question.prompt, *each) for each in zip(prefixes, seeds, strict=True)]
            if self.draws is not None and not validate:
                self._begin(question, row, number, step)
            questions.append(question)
        if problems:
            raise DataError(problems, "Leave these questions out, or change the limits.")
        return questions

    # ---- rounds ----

    def _begin(self, question: Question, row: Mapping[str, Any], number: int, step: int) -> None:
        """Replace a question's samples by the first round of the method's."""
        assert self.draws is not None
        known = [int(token) for token in row.get(DEMONSTRATION) or []]
        run_seed = int(self.config.actor_rollout_ref.rollout.seed)
        question.demonstration = known[:-1]  # without EOS
        question.known = Known(
            rollouts=number,
            step=step,
            demonstration=len(question.demonstration),
            text=self.tokenizer.decode(question.demonstration, skip_special_tokens=True),
            hints=list((row.get("extra_info") or {}).get("hints") or []),
            random=Random(sample_seed(run_seed, step, question.name, -1 - question.first)),
        )
        question.asked = []
        self._further(self.draws, question, step)

    def _further(self, draws: Draws, question: Question, step: int) -> list[Asked]:
        """The samples of a question's next round, which are also added to the question."""
        assert question.known is not None
        new: list[Asked] = []
        run_seed = int(self.config.actor_rollout_ref.rollout.seed)
        for draw in draws.next(question.known, question.drawn):
            # Seeds of later rounds lie beyond those of the same question's other places in the batch.
            place = len(question.asked) + len(new)
            place += question.first if place < question.known.rollouts else LATER_ROUNDS * (1 + question.first)
            seed = sample_seed(run_seed, step, question.name, place)
            prompt = self._hinted(question, draw.hint) if draw.hint else question.prompt
            room = self._room(prompt) - max(1, self.fewest)
            prefix = list(question.demonstration[: min(draw.prefix, max(room, 0))])
            new.append(Asked(prompt, prefix, seed, draw, question.prompt if draw.plain else None))
        question.asked += new
        return new

    def _hinted(self, question: Question, hint: str) -> list[int]:
        """The question's prompt with a hint in the user's turn, cut from its end until it fits."""
        messages = [dict(message) for message in question.fields["raw_prompt"]]
        last = next(message for message in reversed(messages) if message["role"] == "user")
        asked, limit = last["content"], self.config.data.max_prompt_length
        while True:
            last["content"] = f"{asked}\n\n{hint}"
            prompt = self.builder.build_initial_tokens(messages)
            if not hint:
                return question.prompt
            if len(prompt) <= limit:
                return prompt
            hint = hint[: len(hint) * limit // (len(prompt) + 1)] if len(hint) > 8 else ""

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

    def _generate(self, pending: Sequence[tuple[Question, list[Asked]]], validate: bool) -> None:
        """Fill in the samples. A question's samples come from one server, which then computes its prompt once."""
        sampling = sampling_params(self.config, validate)
        shares = {number: pending[number :: len(self.servers)] for number in range(len(self.servers))}
        calls = {
            self.servers[number].generate_batch.remote(
                [self._request(asked) for _, of_question in share for asked in of_question],
                sampling,
                self.stall_timeout,
            ): share
            for number, share in shares.items()
            if share
        }
        answered = ray.get(list(calls))  # raises as soon as one of them fails
        for (samples, version), share in zip(answered, calls.values(), strict=True):
            every = [asked for _, of_question in share for asked in of_question]
            for asked, sample in zip(every, samples, strict=True):
                asked.sample, asked.version = sample, version

    def _request(self, asked: Asked) -> SampleRequest:
        return SampleRequest(asked.prompt + asked.prefix, self._room(asked.prompt) - len(asked.prefix), asked.seed)

    def _put(self, questions: Sequence[Question], partition: str, step: int) -> None:
        rows, tags = [], {}
        for question in questions:
            for number, asked in enumerate(question.group):
                answer = question.answer(number, asked)
                rows.append(row_of(answer, asked.score))
                tags[answer.key] = tag_of(answer, step) | ({} if number else question.tag)
        tq.kv_batch_put(
            keys=list(tags),
            partition_id=partition,
            fields=list_of_dict_to_tensordict(wrapped_rows(rows)),
            tags=list(tags.values()),
        )
        tq.kv_batch_put(
            keys=[question.uid for question in questions],
            partition_id=partition,
            tags=[{"status": "finished"} for _ in questions],
        )
