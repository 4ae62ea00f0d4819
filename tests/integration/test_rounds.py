# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rollouts that are drawn behind prefixes, in rounds and with hints, by the manager with a real TransferQueue."""

import pytest
import ray
from tensordict import NonTensorStack

from hpt.common.seeds import sample_seed
from tests.integration.test_rollout_manager import (  # noqa: F401  (fixtures)
    SEED,
    STEP,
    N,
    batch,
    manager,
    rows_of,
    servers,
    start_of,
    tokenizer,
)

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROOM = {"data__max_prompt_length": 200, "actor_rollout_ref__rollout__max_model_len": 300}
QUESTION = "1+1="


class Scores:
    """A scorer that finds those answers right whose prompt or response has a text in it."""

    def __init__(self, tokenizer, right):  # noqa: F811
        self.tokenizer, self.right, self.batches = tokenizer, right, []

    def score(self, answers):
        self.batches.append(len(answers))
        texts = [self.tokenizer.decode(answer.prompt + answer.response) for answer in answers]
        return [{"score": float(self.right in text), "info": {"score": 0.0}} for text in texts]


def drawing(manager, tokenizer, strategy, right, **params):  # noqa: F811
    made = manager(hpt__strategy=strategy, hpt__params=params, **ROOM)
    made.scorer = Scores(tokenizer, right)
    return made


def demonstration_of(tokenizer, text: str) -> list[int]:  # noqa: F811
    return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]


def test_a_round_may_continue_a_prefix_which_the_row_says(queue, manager, tokenizer):  # noqa: F811
    params = {"sizes": [1, 1], "ratios": [0.0, 0.5], "thresholds": [0.0, 1.0]}
    made = drawing(manager, tokenizer, "trapo", "never", **params)
    known = demonstration_of(tokenizer, "1+2=3")
    made.generate_sequences(batch([QUESTION], __demonstration__=NonTensorStack(known)))
    found, status = rows_of(queue)
    (plain, first), (prefixed, second) = (found[f"t-0_{number}_0"] for number in range(N))
    half = known[: round((len(known) - 1) / 2)]
    assert plain["shown"] == 1 and "shown" not in prefixed
    assert plain["prefix_len"] == plain["imitated_len"] == first["prefix_length"].item() == 0
    assert prefixed["prefix_len"] == prefixed["imitated_len"] == second["prefix_length"].item() == len(half) > 0
    assert second["responses"].tolist()[: len(half)] == half
    assert second["responses"].tolist()[len(half) :][:2] == start_of(sample_seed(SEED, STEP, QUESTION, 1))
    assert second["prompts"].tolist() == first["prompts"].tolist() and status == {"t-0": "finished"}
    assert "__demonstration__" not in second and made.scorer.batches == [1, 1]
    (asked,) = ray.get(made.servers[0].asked.remote())[1][0]
    assert asked.prompt == [*first["prompts"].tolist(), *half]


def test_only_questions_that_fail_are_drawn_again_and_the_hinted_group_replaces_theirs(queue, manager, tokenizer):  # noqa: F811
    made = drawing(manager, tokenizer, "ghpo", "1+2", ratios=[0.2, 0.6])
    known = demonstration_of(tokenizer, "1+2=3")
    made.generate_sequences(batch(["1+2=", "9-1="], __demonstration__=NonTensorStack(known, known)))
    found, _ = rows_of(queue)
    assert made.scorer.batches == [4, 2, 2] and len(found) == 4
    prompts = {key: tokenizer.decode(fields["prompts"].tolist()) for key, (_, fields) in found.items()}
    assert "begins" not in prompts["t-0_0_0"] and prompts["t-1_0_0"] == prompts["t-1_1_0"]
    assert prompts["t-1_0_0"].count("1+2") == 1
    tags = {key: tag for key, (tag, _) in found.items()}
    assert tags["t-1_0_0"]["discarded"] == 4 and tags["t-1_0_0"]["discarded_len"] >= 8
    assert "discarded" not in tags["t-1_1_0"] and not {"discarded", "shown"} & tags["t-0_0_0"].keys()
    assert tags["t-1_0_0"]["shown"] == 1
    assert all(fields["rm_scores"].sum() == 1 for _, fields in found.values())


def test_a_hinted_rollout_may_be_trained_behind_the_plain_question(queue, manager, tokenizer):  # noqa: F811
    made = drawing(manager, tokenizer, "scaf_grpo", "5", warmup_steps=0)
    extras = NonTensorStack({"id": QUESTION, "hints": ["4", "5"]})
    answers = iter([[0.0, 0.0], [0.0, 1.0]])
    made.scorer.score = lambda given: [{"score": score, "info": {}} for score in next(answers)]
    made.generate_sequences(batch([QUESTION], __demonstration__=NonTensorStack([]), extra_info=extras))
    found, _ = rows_of(queue)
    (plain, first), (hinted, second) = (found[f"t-0_{number}_0"] for number in range(N))
    assert second["prompts"].tolist() == first["prompts"].tolist() and second["rm_scores"].sum() == 1
    assert plain["discarded"] == 2 and plain["shown"] == 1 and hinted["response_len"] == len(second["responses"])
    asked = ray.get(made.servers[0].asked.remote())[1][0]
    assert [tokenizer.decode(request.prompt).count("5") for request in asked] == [0, 1]


def test_validation_is_drawn_plainly(queue, manager, tokenizer):  # noqa: F811
    made = drawing(manager, tokenizer, "ghpo", "never")
    made.generate_sequences(batch([QUESTION], validate=True))
    assert made.scorer.batches == [1] and len(rows_of(queue, "val")[0]) == 1


def test_a_hint_is_cut_where_the_prompt_would_be_too_long(queue, manager, tokenizer):  # noqa: F811
    made = drawing(manager, tokenizer, "ghpo", "never", ratios=[1.0])
    made.config.data.max_prompt_length = 40
    known = demonstration_of(tokenizer, "1+2=3" * 30)
    made.generate_sequences(batch([QUESTION], __demonstration__=NonTensorStack(known)))
    found, _ = rows_of(queue)
    assert all(len(fields["prompts"]) <= 40 for _, fields in found.values())


def test_no_two_samples_of_a_question_share_a_seed(queue, manager, tokenizer):  # noqa: F811
    """Neither over rounds, nor where a question is twice in a batch."""
    made = drawing(manager, tokenizer, "ghpo", "never")
    known = demonstration_of(tokenizer, "1+2=3")
    made.generate_sequences(batch([QUESTION] * 2, __demonstration__=NonTensorStack(known, known)))
    seeds = [request.seed for requests, *_ in ray.get(made.servers[0].asked.remote()) for request in requests]
    assert len(seeds) == 2 * 4 * N == len(set(seeds))
    rows_of(queue)
