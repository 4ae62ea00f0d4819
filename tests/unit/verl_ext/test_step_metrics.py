# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a step's metrics speak of, computed by verl's own functions over rows in a fake queue."""

import math

import pytest
from omegaconf import OmegaConf
from verl.trainer.ppo.metric_utils import RolloutMoELoadBalanceMetricsAccumulator

from hpt.method.routing import RowKind
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.colocate_async import HybridTrainerColocateAsync
from hpt.verl_ext.plain_sft import PlainSFTTrainer
from hpt.verl_ext.trainer import HybridTrainerSync
from tests.unit.verl_ext.test_trainer import config_for, finished_rollouts, trainer_of

SECONDS = {"gen": 1.0, "adv": 1.0, "ref": 0.9, "update_actor": 1.4, "step": 5.0}
# Eight rollouts: four of 2 tokens, which have an end, and four of 3 tokens, which is all that a response may have.
LONGEST = 3


def step_of(queue, tmp_path, trainer_class=HybridTrainerSync, tags=(), **settings) -> tuple[dict, set[RowKind]]:
    """The metrics of a step, and the kinds of rows that it trains on.

    Args:
        tags: for the rollouts of one token less than the longest, and for the longest.
    """
    config = config_for(tmp_path)
    config.data.max_response_length = LONGEST
    trainer = trainer_of(trainer_class, config, **settings)
    trainer._rollout_moe_lb_metrics_accumulator = RolloutMoELoadBalanceMetricsAccumulator()
    trainer._get_n_gpus_for_throughput = lambda: 1
    rollouts = finished_rollouts(queue)
    for number, tag in enumerate(rollouts.tags):
        tag.update({"min_global_steps": 0, "max_global_steps": 0}, **(tags[number % 2] if tags else {}))
    metrics: dict = {}
    batch = trainer._balance_batch(rollouts, metrics)
    trainer._compute_advantage(batch, metrics)
    trainer._compute_metrics(batch, metrics, SECONDS, 1, 0)
    return metrics, {row_io.kind_of(tag) for tag in batch.tags}


ROLLOUT, DEMONSTRATION, PADDING = RowKind.ROLLOUT, RowKind.DEMONSTRATION, RowKind.PADDING
# Settings -> the rows that the step trains on. The gate drops all rollouts at gamma = 1.
STEPS = [
    ({}, {ROLLOUT, DEMONSTRATION, PADDING}),  # the padding is the second optimizer step, which has no other row
    ({"gamma": 1.0}, {DEMONSTRATION}),
    ({"gamma": 1.0, "sft_coef": 0.0}, {PADDING}),
]


@pytest.mark.parametrize(("settings", "kinds"), STEPS)
def test_lengths_and_scores_are_those_of_all_rollouts(queue, tmp_path, settings, kinds):
    metrics, trained_on = step_of(queue, tmp_path, **settings)
    assert trained_on == kinds
    expected = {
        "critic/score/mean": 3 / 8, "critic/rewards/max": 1.0,
        "response_length/mean": 2.5, "response_length/max": 3, "response_length/min": 2,
        "response_length/clip_ratio": 0.5, "response_length_non_aborted/mean": 2.5,
        "response_length_non_aborted/clip_ratio": 0.5, "response/aborted_ratio": 0.0,
        "prompt_length/mean": 2, "prompt_length/clip_ratio": 0.0,
        "hpt/truncated_share": 0.5,  # by their length
        "timing_per_token_ms/gen": 1000 / 20,
    }  # fmt: skip
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert not [name for name, value in metrics.items() if math.isnan(value)]


def test_a_rollout_that_ends_with_its_last_token_was_not_cut(queue, tmp_path):
    metrics, _ = step_of(queue, tmp_path, tags=({"truncated": False}, {"truncated": False}))
    assert (metrics["hpt/truncated_share"], metrics["response_length/clip_ratio"]) == (0.0, 0.5)
    metrics, _ = step_of(queue, tmp_path, tags=({"truncated": True}, {"truncated": False}))
    assert metrics["hpt/truncated_share"] == 0.5


def test_times_per_token_divide_by_what_a_phase_works_on(queue, tmp_path):
    metrics, _ = step_of(queue, tmp_path)
    # Two rollouts of 2 + 2 and 2 + 3 tokens, a demonstration of 2 + 3, and a padding row of 1 + 1.
    times = {name: value for name, value in metrics.items() if name.startswith("timing_per_token_ms/")}
    assert times == pytest.approx(
        {
            "timing_per_token_ms/gen": 1000 / 20,
            "timing_per_token_ms/ref": 900 / 9,
            "timing_per_token_ms/update_actor": 1400 / 16,
        }
    )
    assert metrics["perf/total_num_tokens"] == 16


def test_tokens_that_were_given_were_not_sampled(queue, tmp_path):
    metrics, _ = step_of(queue, tmp_path, tags=({}, {"prefix_len": 2}))
    assert metrics["timing_per_token_ms/gen"] == pytest.approx(1000 / (20 - 4 * 2))


def test_sampling_ahead_has_no_time_per_token(queue, tmp_path):
    metrics, _ = step_of(queue, tmp_path, HybridTrainerColocateAsync)
    assert "timing_per_token_ms/gen" not in metrics and metrics["response_length/mean"] == 2.5


OF_TRAINED = ("critic/advantages/", "critic/returns/", "num_turns/", "training/num_turns/", "rollout_corr/",
              "training/off_policy/trajectory_", "training/rollout_probs_diff", "timing_per_token_ms/ref")  # fmt: skip


@pytest.mark.parametrize(("settings", "kinds"), STEPS)
def test_comparisons_of_rollouts_are_absent_where_none_is_trained_on(queue, tmp_path, settings, kinds):
    metrics, _ = step_of(queue, tmp_path, **settings)
    found = {name for name in metrics if name.startswith(OF_TRAINED)}
    assert bool(found) is (ROLLOUT in kinds)
    if found:  # the two rollouts of the question with one right answer
        assert metrics["critic/advantages/mean"] == pytest.approx((2 * 0.5 - 3 * 0.5) / 5)


def test_plain_sft_has_no_metric_of_rollouts(queue, tmp_path):
    config = config_for(tmp_path)
    trainer = trainer_of(PlainSFTTrainer, config, strategy="sft_only")
    trainer._rollout_moe_lb_metrics_accumulator = RolloutMoELoadBalanceMetricsAccumulator()
    trainer._get_n_gpus_for_throughput = lambda: 1
    trainer.tokenizer.apply_chat_template = lambda messages, **_: [1, 2]
    trainer.on_sample_end = lambda: None
    OmegaConf.update(config, "data.apply_chat_template_kwargs", {}, force_add=True)
    numbers = [0, 1, 3]
    trainer._next_train_batch = lambda count: {
        "uid": ["1-0", "1-1", "1-2"],
        "demonstration_id": numbers,
        "raw_prompt": [[{"role": "user", "content": "?"}] for _ in numbers],
    }
    trainer.actor_rollout_wg.update_actor = lambda request: {"metrics": {"grad_norm": [1.0], "hpt/loss_sft": [2.0]}}
    metrics, seconds = {}, {"step": 2.0}
    batch = trainer._step_once(metrics, seconds, 3)
    trainer._compute_metrics(batch, metrics, seconds, 1, 0)
    of_rollouts = (*OF_TRAINED, "critic/", "response", "prompt_length/", "timing_per_token_ms/gen", "hpt/truncated")
    assert not [name for name in metrics if name.startswith(of_rollouts)]
    assert metrics["perf/total_num_tokens"] == 3 * 2 + 3 + 2 + 2 and "timing_per_token_ms/update_actor" in metrics
