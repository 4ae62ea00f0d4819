# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt.method.gate import RL, SFT, constant, switch
from hpt.method.metrics import DEFINITIONS, BatchMetrics, age_metrics, update_metrics
from hpt.method.normalization import PromptNormalization
from hpt.method.routing import Plan, Question, RowKind, route
from tests.helpers.terms import DR_GRPO, LUFFY


def average(metrics):
    """verl's reduction, as far as numbers go."""
    return {name: statistics.fmean(values) for name, values in metrics.items()}


def make_plan(*score_lists, solution=10, gamma=0.0):
    questions = [
        Question(
            f"q{i}", [f"q{i}_{j}" for j in range(len(scores))], scores, None if solution is None else [0] * solution
        )
        for i, scores in enumerate(score_lists)
    ]
    return route(
        questions,
        switch(gamma),
        rollouts=DR_GRPO,
        demonstrations=LUFFY,
        normalization=PromptNormalization(len(questions), 50),
        keep_idle=False,
    )


def histogram(means) -> dict[str, float]:
    values = BatchMetrics([], []).of_plan(Plan(means=list(means), coefficients=[RL for _ in means]), {})
    prefix = "hpt/p_hist/"
    return {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}


def test_a_batch_by_hand():
    scores = [[0, 0], [1, 0], [1, 1], [0, 0], [1, 0]]
    plan = make_plan(*scores)
    flat = [score for group in scores for score in group]
    metrics = BatchMetrics(flat, [3, 5] * 5).of_plan(plan, {RowKind.ROLLOUT: 60, RowKind.DEMONSTRATION: 20})
    assert metrics == {
        "hpt/sft_share_questions": 2 / 5,
        "hpt/demonstration_share_questions": 2 / 5,
        "hpt/demonstration_share_tokens": 20 / 80,
        "hpt/demonstration_share_rows": 2 / (2 + 3 * 2),
        "hpt/coefficient_on": 3 / 5,
        "hpt/coefficient_off": 0.0,
        "hpt/coefficient_sft": 2 / 5,
        "hpt/p_hist/none": 2 / 5,
        "hpt/p_hist/0_to_0.25": 0.0,
        "hpt/p_hist/0.25_to_0.5": 2 / 5,
        "hpt/p_hist/0.5_to_0.75": 0.0,
        "hpt/p_hist/0.75_to_1": 0.0,
        "hpt/p_hist/all": 1 / 5,
        "hpt/questions_none_solved": 2,
        "hpt/questions_all_solved": 1,
        "hpt/rollout_accuracy": 0.4,
        "hpt/response_length_rollout": 4.0,
        "hpt/truncated_share": 0.0,
        "hpt/demonstrations_skipped": 0,
        "hpt/shown_share_questions": 0.0,
        "hpt/rows_rollout": 4,
        "hpt/rows_demonstration": 2,
        "hpt/tokens_trained": 80,
        "hpt/tokens_sampled": 40,
        "hpt/rollouts_discarded": 0,
    }


def test_questions_without_a_solution_are_counted_as_skipped_and_not_as_sft():
    metrics = BatchMetrics([0, 0], [1, 1]).of_plan(make_plan([0, 0], solution=None), {})
    assert metrics["hpt/demonstrations_skipped"] == 1
    assert metrics["hpt/sft_share_questions"] == 0.0
    assert metrics["hpt/rows_demonstration"] == 0


def test_without_rollouts_there_are_no_metrics_of_rollouts():
    plan = route(
        [Question("a", [], [], [0] * 5)],
        constant(SFT),
        rollouts=DR_GRPO,
        demonstrations=LUFFY,
        normalization=PromptNormalization(1, 50),
        keep_idle=False,
    )
    metrics = BatchMetrics([], []).of_plan(plan, {RowKind.DEMONSTRATION: 5})
    assert metrics["hpt/sft_share_questions"] == metrics["hpt/demonstration_share_rows"] == 1.0
    assert not any("rollout_accuracy" in name or "p_hist" in name for name in metrics)


def test_steps_above_the_norm_limit_count_as_skipped():
    reported = {"grad_norm": [1.0, 90.0, math.inf, 80.0], "loss": [0.0] * 4}
    assert update_metrics(reported, average, 80.0)["hpt/steps_skipped"] == 2
    assert update_metrics(reported, average)["hpt/steps_skipped"] == 1


@pytest.mark.parametrize(
    ("mean", "name"),
    [
        (0.0, "none"),
        (0.01, "0_to_0.25"),
        (0.25, "0_to_0.25"),
        (0.26, "0.25_to_0.5"),
        (0.5, "0.25_to_0.5"),
        (0.51, "0.5_to_0.75"),
        (0.75, "0.5_to_0.75"),
        (0.76, "0.75_to_1"),
        (0.999, "0.75_to_1"),
        (1.0, "all"),
    ],
)
def test_the_upper_end_belongs_to_a_class(mean, name):
    assert {key for key, share in histogram([mean]).items() if share} == {name}


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40))
def test_the_histogram_counts_each_question_once(means):
    shares = histogram(means)
    assert math.fsum(shares.values()) == pytest.approx(1.0)
    assert shares["none"] == pytest.approx(means.count(0.0) / len(means))
    assert shares["all"] == pytest.approx(means.count(1.0) / len(means))


def test_an_empty_batch_has_zeros_and_no_division_by_zero():
    metrics = BatchMetrics([], []).of_plan(Plan(), {})
    assert set(metrics.values()) == {0}


ROLLOUTS = BatchMetrics(
    scores=[0.0, 1.0, 0.5, 0.5],
    response_lengths=[10, 2, 4, 0],
    prompt_lengths=[3, 3, 5, 5],
    at_limit=[True, False, True, False],
    truncated=[True, False, False, False],
    sampled=12,
)
ROW_METRICS = {
    "critic/score/mean": 0.5, "critic/score/max": 1.0, "critic/score/min": 0.0,
    "critic/rewards/mean": 0.5, "critic/rewards/max": 1.0, "critic/rewards/min": 0.0,
    "response_length/mean": 4.0, "response_length/max": 10, "response_length/min": 0,
    "response_length/clip_ratio": 1 / 2,
    "response_length_non_aborted/mean": 16 / 3, "response_length_non_aborted/max": 10,
    "response_length_non_aborted/min": 2, "response_length_non_aborted/clip_ratio": 2 / 3,
    "response/aborted_ratio": 1 / 4,
    "prompt_length/mean": 4.0, "prompt_length/max": 5, "prompt_length/min": 3, "prompt_length/clip_ratio": 1 / 2,
    "timing_per_token_ms/gen": 500.0,
}  # fmt: skip
SECONDS = {"gen": 6.0, "ref": 1.0, "adv": 1.0, "step": 9.0}


@pytest.mark.parametrize("reported", [True, False])
def test_verls_own_numbers_speak_of_all_rollouts(reported):
    """Also in a step without a row to train on, for which verl's are not computed."""
    metrics = dict.fromkeys(ROW_METRICS, -1.0) if reported else {}
    ROLLOUTS.replace_row_metrics(metrics, SECONDS, max_prompt_length=5, trained_tokens=0)
    assert metrics == pytest.approx(ROW_METRICS)


def test_rollouts_that_were_cut_are_counted():
    assert ROLLOUTS.of_plan(make_plan([0, 1], [1, 1]), {})["hpt/truncated_share"] == 1 / 4


OF_TRAINED = ("critic/advantages/mean", "critic/returns/max", "num_turns/mean", "training/num_turns/min",
              "training/off_policy/trajectory_spans/mean", "timing_per_token_ms/ref")  # fmt: skip
OTHERS = {"training/off_policy/evicted_samples": 2, "perf/throughput": 3.0, "timing_per_token_ms/update_actor": 1.0}


def test_metrics_of_the_rollouts_trained_on_leave_where_there_are_none():
    metrics = {**dict.fromkeys(OF_TRAINED, -1.0), **OTHERS, "timing_per_token_ms/adv": 1.0}
    kept = dict(metrics)
    BatchMetrics().replace_row_metrics(metrics, SECONDS, max_prompt_length=5, trained_tokens=0)
    assert metrics == OTHERS
    BatchMetrics().replace_row_metrics(kept, SECONDS, max_prompt_length=5, trained_tokens=20)
    assert set(kept) == {*OF_TRAINED, *OTHERS} and kept["timing_per_token_ms/ref"] == 50.0


def test_without_rollouts_verls_scores_leave():
    metrics = {name: 1.0 for name in ROW_METRICS}
    BatchMetrics().replace_row_metrics(metrics, {"step": 1.0}, max_prompt_length=5, trained_tokens=0)
    assert metrics == {}


REPORTED = {
    "grad_norm": [1.0, 3.0],
    "loss": [0.5, 1.5],
    "lr": [1e-3],
    "mfu": [0.25, 0.75],
    "perf/max_memory_allocated_gb": [2.0, 2.0],
    "hpt/loss_rl": [0.1, 0.3],
    "hpt/loss_off": [0.0, 0.0],
    "hpt/loss_sft": [0.0, 4.0],
    "hpt/loss_entropy": [0.0, 0.0],
    "hpt/loss_kl": [0.0, 0.0],
    "hpt/entropy_sum": [10.0, 50.0],
    "hpt/entropy_tokens": [10.0, 20.0],
}


def test_update_metrics_by_hand():
    values = update_metrics(REPORTED, average)
    assert values == pytest.approx(
        {
            "actor/grad_norm": 2.0,
            "actor/loss": 1.0,
            "actor/lr": 1e-3,
            "actor/perf/max_memory_allocated_gb": 2.0,
            "perf/mfu/actor": 0.5,
            "hpt/loss_rl": 0.2,
            "hpt/loss_off": 0.0,
            "hpt/loss_sft": 2.0,
            "hpt/loss_entropy": 0.0,
            "hpt/loss_kl": 0.0,
            "hpt/entropy_rollout": 2.0,  # 60 nats over 30 tokens, not the mean of 1 and 2.5
            "hpt/grad_norm": 2.0,
            "hpt/steps_skipped": 0,
        }
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_counted_and_left_out_of_the_mean(bad):
    values = update_metrics({"grad_norm": [bad, 2.0, bad, 4.0]}, average)
    assert values["hpt/steps_skipped"] == 2
    assert values["hpt/grad_norm"] == values["actor/grad_norm"] == 3.0


def test_without_any_finite_gradient_the_norm_is_nan_and_not_zero():
    values = update_metrics({"grad_norm": [math.nan]}, average)
    assert math.isnan(values["hpt/grad_norm"])
    assert values["hpt/steps_skipped"] == 1


def test_without_rollout_tokens_there_is_no_entropy():
    values = update_metrics({"grad_norm": [1.0], "hpt/entropy_sum": [0.0], "hpt/entropy_tokens": [0.0]}, average)
    assert not [name for name in values if "entropy" in name]


def test_what_the_workers_reported_is_not_changed():
    reported = {name: list(values) for name, values in REPORTED.items()}
    update_metrics(reported, average)
    assert reported == REPORTED


def test_every_name_that_is_produced_is_defined():
    names = set(BatchMetrics([1.0], [1]).of_plan(make_plan([1.0, 0.0]), {}))
    names |= {name for name in update_metrics(REPORTED, average) if name.startswith("hpt/")}
    names |= set(age_metrics([(0, 1)], 1))
    assert names <= set(DEFINITIONS)
    # The others are written by the trainer; nothing is defined that nobody writes.
    ours = {name for name in DEFINITIONS if name.startswith("hpt/")}
    assert ours - names == {
        "hpt/leftover_rows", "hpt/questions_in_flight", "hpt/steps_idle", "hpt/demonstrations_waiting",
    }  # fmt: skip


def test_a_rollout_is_as_old_as_its_first_token():
    assert age_metrics([(4, 4), (2, 4), (3, 3), (4, 4)], trained=4) == {
        "hpt/age_mean": 3 / 4, "hpt/age_max": 2, "hpt/stale_share": 2 / 4, "hpt/partial_share": 1 / 4,
    }  # fmt: skip
    assert set(age_metrics([], trained=4).values()) == {0}


def test_every_definition_has_a_unit_and_a_meaning():
    for name, (unit, meaning) in DEFINITIONS.items():
        assert unit and meaning, name
