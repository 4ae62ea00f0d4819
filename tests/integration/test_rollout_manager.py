# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The rollout manager with a real TransferQueue and servers that answer with what they were asked.

A server's sample begins with its seed, so that each row shows which request it came from.
"""

import pytest
import ray
import torch
from omegaconf import OmegaConf
from tensordict import NonTensorData, NonTensorStack, TensorDict

from hpt.common.errors import DataError
from hpt.common.seeds import sample_seed
from hpt.verl_ext.sampling import RolloutError, Sample
from recipe.hpt.reproduction.task.model import build_tokenizer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SEED, STEP, N, RESPONSE = 7, 3, 2, 8


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture
def servers(queue):
    """servers(count) -> actors that answer as the rollout servers do, and remember what they were asked."""

    class Server:
        def __init__(self, sample):
            self.sample, self.calls = sample, []

        def generate_batch(self, requests, sampling, stall_timeout):
            self.calls.append((requests, sampling, stall_timeout))
            seeds = [request.seed for request in requests]
            # Two ids that stand for the seed, and 0 to 2 more.
            tokens = [[seed % 5, seed % 7, *[2] * (seed % 3)] for seed in seeds]
            return [self.sample(each, [-0.5] * len(each), len(each) % 2 == 0) for each in tokens], 2

        def asked(self):
            return self.calls

    return lambda count: [ray.remote(Server).remote(Sample) for _ in range(count)]


@pytest.fixture
def manager(queue, servers, tokenizer):
    """manager(servers=1, workers=(), **changes) -> RolloutManager, made without a model's folder."""
    from hpt.verl_ext import rollouts
    from hpt.verl_ext.rollout_scores import Scorer

    def make(count=1, workers=(), **changes):
        config = OmegaConf.create(
            {
                "data": {"max_prompt_length": 12, "max_response_length": RESPONSE, "truncation": "error"},
                "hpt": {
                    "sampling": {"max_tokens": None, "min_tokens": 0, "stop": [], "stop_token_ids": []},
                    "stall_timeout": 60.0,
                },
                "reward": {
                    "custom_reward_function": {
                        "path": "pkg://hpt.verifier.reward", "name": "compute_score",
                        "reward_kwargs": {"verifier_workers": 1},
                    }
                },
                "actor_rollout_ref": {
                    "rollout": {
                        "n": N, "seed": SEED, "temperature": 0.8, "top_p": 0.9, "top_k": 5, "do_sample": True,
                        "repetition_penalty": 1.1, "ignore_eos": False, "calculate_log_probs": True,
                        "max_model_len": 32, "agent": {"default_agent_loop": "single_turn_agent"},
                        "val_kwargs": {"n": 1, "temperature": 0.6, "top_p": 1.0, "top_k": -1, "do_sample": False},
                    }
                },
            }
        )  # fmt: skip
        for key, value in changes.items():
            OmegaConf.update(config, key.replace("__", "."), value)
        made = rollouts.RolloutManager.__new__(rollouts.RolloutManager)
        made.config, made.servers, made.stall_timeout = config, servers(count), 60.0
        made.fewest, made.limit = 0, RESPONSE
        made._for_verls, made._verls = {"reward_loop_worker_handles": list(workers or ())}, None
        made.tokenizer, made.has_processor = tokenizer, False
        made.builder = rollouts.create_continuous_token_builder(tokenizer, hf_model_type="qwen2")
        made.scorer = Scorer(config, tokenizer, workers, 60.0)
        return made

    return make


def batch(names, validate=False, **columns):
    """Questions as the trainer sends them."""
    size = len(names)
    rows = {
        "uid": [f"{'v' if validate else 't'}-{number}" for number in range(size)],
        "raw_prompt": [[{"role": "user", "content": name}] for name in names],
        "reward_model": [{"ground_truth": "1"}] * size,
        "data_source": ["builtin/level_1"] * size,
        "extra_info": [{"id": name} for name in names],
        **columns,
    }
    entries = {name: NonTensorStack(*values) for name, values in rows.items()}
    entries["demonstration_id"] = torch.arange(size)
    prompts = TensorDict(entries, batch_size=size)
    prompts["global_steps"] = NonTensorData(STEP, batch_size=[size])
    if validate:
        prompts["validate"] = NonTensorData(True, batch_size=[size])
    return prompts


def rows_of(queue, partition="train"):
    """Key -> (tag, fields) of all rows, which are then removed; and the status of each question."""
    held = queue.kv_list(partition)[partition]
    keys = [key for key in held if "_" in key]
    data = queue.kv_batch_get(keys=keys, partition_id=partition)
    queue.kv_clear(keys=list(held), partition_id=partition)
    found = {
        key: (held[key], {name: data[name][number] for name in data.keys()})  # noqa: SIM118
        for number, key in enumerate(keys)
    }
    return found, {key: held[key]["status"] for key in held if "_" not in key}


def start_of(seed):
    return [seed % 5, seed % 7]


def seeds_of(found):
    """Question id -> what the samples' seeds became, in the order of the samples."""
    shown = {}
    for key in sorted(found):
        fields = found[key][1]
        shown.setdefault(fields["extra_info"]["id"], []).append(fields["responses"].tolist())
    return shown


def test_rows_are_what_verl_and_the_trainer_read(queue, manager):
    manager().generate_sequences(batch(["1+1=", "2+3="]))
    found, status = rows_of(queue)
    assert list(found) == ["t-0_0_0", "t-0_1_0", "t-1_0_0", "t-1_1_0"]
    assert status == {"t-0": "finished", "t-1": "finished"}
    tag, fields = found["t-1_0_0"]
    prompt, response = fields["prompts"].tolist(), fields["responses"].tolist()
    assert fields["input_ids"].tolist() == prompt + response
    assert fields["position_ids"].tolist() == list(range(len(prompt + response)))
    assert fields["response_mask"].tolist() == fields["loss_mask"].tolist() == [1] * len(response)
    assert fields["rollout_log_probs"].tolist() == [-0.5] * len(response)
    assert fields["rm_scores"].tolist() == [0.0] * len(response)
    assert fields["prefix_length"].item() == 0
    assert fields["data_source"] == "builtin/level_1" and int(fields["demonstration_id"]) == 1
    assert fields["extra_fields"]["reward_extra_info"]["reason"] == "no_answer"
    assert tag["global_steps"] == STEP and tag["min_global_steps"] == tag["max_global_steps"] == 2
    assert (tag["prompt_len"], tag["response_len"]) == (len(prompt), len(response))
    assert all(tag["truncated"] is (tag["response_len"] % 2 == 0) for tag, _ in found.values())


def test_a_seed_follows_from_run_step_question_and_sample_alone(queue, manager):
    names = ["1+1=", "2+3=", "4+4=", "9-1=", "7-7="]
    expected = {name: [start_of(sample_seed(SEED, STEP, name, sample)) for sample in range(N)] for name in names}
    for count, order in ((1, names), (2, names), (3, names[::-1]), (2, names[1:3])):
        manager(count).generate_sequences(batch(order))
        found, _ = rows_of(queue)
        shown = {name: [tokens[:2] for tokens in samples] for name, samples in seeds_of(found).items()}
        assert shown == {name: expected[name] for name in order}
    manager(actor_rollout_ref__rollout__seed=8).generate_sequences(batch(names))
    assert seeds_of(rows_of(queue)[0]) != {}
    assert sample_seed(8, STEP, names[0], 0) != sample_seed(SEED, STEP, names[0], 0)


def test_a_question_that_is_twice_in_a_batch_gets_other_samples(queue, manager):
    manager().generate_sequences(batch(["1+1=", "1+1="]))
    samples = seeds_of(rows_of(queue)[0])["1+1="]
    assert [tokens[:2] for tokens in samples] == [start_of(sample_seed(SEED, STEP, "1+1=", each)) for each in range(4)]


def test_each_server_gets_one_call_with_whole_questions(queue, manager):
    made = manager(2)
    made.generate_sequences(batch(["1+1=", "2+3=", "4+4="]))
    rows_of(queue)
    calls = [ray.get(server.asked.remote()) for server in made.servers]
    assert [len(each) for each in calls] == [1, 1]
    assert [len(each[0][0]) for each in calls] == [2 * N, N]
    requests, sampling, stall_timeout = calls[0][0]
    assert sampling == {
        "temperature": 0.8, "top_p": 0.9, "top_k": 5, "repetition_penalty": 1.1, "ignore_eos": False, "logprobs": 0,
        "min_tokens": 0, "stop": [], "stop_token_ids": [],
    }  # fmt: skip
    assert stall_timeout == 60.0 and requests[0].max_tokens == RESPONSE


def test_validation_is_greedy_where_it_does_not_sample_and_has_seeds_of_its_own(queue, manager):
    made = manager()
    made.generate_sequences(batch(["1+1="], validate=True))
    found, status = rows_of(queue, "val")
    assert list(found) == ["v-0_0_0"] and status == {"v-0": "finished"}
    requests, sampling, _ = ray.get(made.servers[0].asked.remote())[0]
    assert (sampling["temperature"], sampling["top_k"]) == (0.0, -1)
    assert requests[0].seed == sample_seed(SEED, f"validation/{STEP}", "1+1=", 0)


def test_the_number_of_samples_may_differ_between_questions(queue, manager):
    manager().generate_sequences(batch(["1+1=", "2+3="], __rollout_n__=[1, 3]))
    assert list(rows_of(queue)[0]) == ["t-0_0_0", "t-1_0_0", "t-1_1_0", "t-1_2_0"]


def test_a_sample_begins_with_its_prefix(queue, manager):
    made = manager()
    made.generate_sequences(batch(["1+1=", "2+3="], __response_prefixes__=[[[5, 6], []], [[], [4]]]))
    found, _ = rows_of(queue)
    lengths = {key: (tag["prefix_len"], int(fields["prefix_length"])) for key, (tag, fields) in found.items()}
    assert lengths == {"t-0_0_0": (2, 2), "t-0_1_0": (0, 0), "t-1_0_0": (0, 0), "t-1_1_0": (1, 1)}
    _, fields = found["t-0_0_0"]
    assert fields["responses"].tolist()[:2] == [5, 6]
    assert fields["responses"].tolist()[2:4] == start_of(sample_seed(SEED, STEP, "1+1=", 0))
    assert fields["rollout_log_probs"].tolist()[:3] == [0.0, 0.0, -0.5]
    requests = ray.get(made.servers[0].asked.remote())[0][0]
    assert requests[0].prompt == [*fields["prompts"].tolist(), 5, 6]
    assert [request.max_tokens for request in requests] == [RESPONSE - 2, RESPONSE, RESPONSE, RESPONSE - 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"__response_prefixes__": [[[2] * RESPONSE, []]]},
            f"got a prefix of {RESPONSE} tokens; expected at most {RESPONSE - 1}",
        ),
        ({"__response_prefixes__": [[[2]]]}, "got 1 prefixes for 2 samples"),
        ({"__rollout_n__": [0]}, "got 0 samples; expected at least one"),
        ({"__do_sample__": [False]}, "got __do_sample__=False, which only verl's own manager honours"),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_a_server_is_asked(queue, manager, columns, message):
    made = manager()
    with pytest.raises(DataError, match=message):
        made.generate_sequences(batch(["1+1="], **columns))
    assert ray.get(made.servers[0].asked.remote()) == []


def test_a_prompt_that_is_too_long_is_cut_or_refused_as_truncation_says(queue, manager):
    question = "1+1=" * 9
    with pytest.raises(DataError, match=r"got a prompt of \d+ tokens; expected at most data.max_prompt_length=12"):
        manager().generate_sequences(batch([question]))
    whole = manager(data__max_prompt_length=99).builder.build_initial_tokens([{"role": "user", "content": question}])
    expected = {"left": whole[-12:], "right": whole[:12], "middle": whole[:6] + whole[-6:]}
    for how, tokens in expected.items():
        manager(data__truncation=how).generate_sequences(batch([question]))
        found, _ = rows_of(queue)
        assert found["t-0_0_0"][1]["prompts"].tolist() == tokens


def test_a_response_gets_no_more_tokens_than_the_context_has_room_for(queue, manager):
    made = manager(actor_rollout_ref__rollout__max_model_len=10)
    made.generate_sequences(batch(["1+1="]))
    rows_of(queue)
    (request, *_), _, _ = ray.get(made.servers[0].asked.remote())[0]
    assert request.max_tokens == 10 - len(request.prompt) < RESPONSE


@pytest.fixture
def worker(queue):
    """worker(how) -> a reward worker that scores by the response's length, raises, or hangs."""

    class Worker:
        def __init__(self, how):
            self.how = how

        def compute_score_batch(self, data):
            if self.how == "raises":
                raise KeyError("no such answer")
            if self.how == "hangs":
                import time

                time.sleep(60)
            lengths = data.batch["attention_mask"][:, -data.batch["responses"].shape[1] :].sum(dim=1).tolist()
            return [{"reward_score": float(each), "reward_extra_info": {"acc": each}} for each in lengths]

    return lambda how="scores": ray.remote(Worker).remote(how)


def test_a_function_of_the_users_scores_through_verls_reward_workers(queue, manager, worker):
    manager(workers=[worker(), worker()]).generate_sequences(batch(["1+1=", "2+3=", "4+4="]))
    found, _ = rows_of(queue)
    assert len(found) == 3 * N
    for tag, fields in found.values():
        assert fields["rm_scores"].tolist() == [0.0] * (tag["response_len"] - 1) + [float(tag["response_len"])]
        assert fields["extra_fields"]["reward_extra_info"] == {"acc": tag["response_len"]}


def test_a_reward_function_that_fails_is_named(queue, manager, worker):
    with pytest.raises(RolloutError, match=r"hpt.verifier.reward:compute_score raised KeyError: 'no such answer'"):
        manager(workers=[worker("raises")]).generate_sequences(batch(["1+1="]))
    made = manager(workers=[worker("hangs")])
    made.scorer.timeout_s = 1.0
    with pytest.raises(RolloutError, match="has not scored 2 answers within 1 s"):
        made.generate_sequences(batch(["1+1="]))


def test_without_reward_workers_of_its_own_a_row_waits_for_its_score(queue, manager):
    manager(workers=None).generate_sequences(batch(["1+1="]))
    found, _ = rows_of(queue)
    assert "rm_scores" not in found["t-0_0_0"][1]


def test_a_question_for_verls_own_manager_needs_a_reward_worker(queue, manager):
    with pytest.raises(RolloutError, match=r"got 1 questions for verl's own rollout manager .* set reward.num_workers"):
        manager().generate_sequences(batch(["1+1=", "2+3="], agent_name=["single_turn_agent", "tool_agent"]))
