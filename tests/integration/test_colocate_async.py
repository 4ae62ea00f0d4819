# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The mode that samples ahead, on the real stack: equal to synchronous training where nothing is ahead, and resumed."""

import itertools

import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf
from verl.trainer.ppo.utils import create_rl_sampler

from hpt.data.ids import question_id
from hpt.method import question_log
from tests.helpers import seeded_agent_loop
from tests.helpers.checkpoints import parameters
from tests.helpers.processes import ROOT, python_path

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

AHEAD = ("+trainer_mode=colocate_async",)
STEPS, QUESTIONS = 2, 8
# What the two modes measure differently: time, and in one mode alone how old the rollouts are.
VARYING = ("timing_", "perf/", "actor/perf/", "hpt/age_", "hpt/stale_share", "hpt/partial_share")


@pytest.fixture(scope="module")
def train(launch, tmp_path_factory):
    """train(name, *overrides, steps=STEPS) -> the finished run; a rollout depends on its question and seed alone."""
    folder = tmp_path_factory.mktemp("runs")
    agent_loops = seeded_agent_loop.write_config(folder)
    alone = (
        f"actor_rollout_ref.rollout.agent.agent_loop_config_path={agent_loops}",
        f"actor_rollout_ref.rollout.agent.default_agent_loop={seeded_agent_loop.NAME}",
        # Samples that are computed together have other last digits.
        "actor_rollout_ref.rollout.max_num_seqs=1",
        "actor_rollout_ref.rollout.enable_prefix_caching=false",
        "reward.num_workers=1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
    )

    def run(name, *overrides, steps=STEPS):
        frequencies = (f"trainer.total_training_steps={steps}", f"trainer.save_freq={STEPS}")
        path = python_path(ROOT / "tests" / "helpers")
        started = launch(folder / name, *alone, *frequencies, *overrides, PYTHONPATH=path)
        assert started.wait(300) == 0, started.log[-3000:]
        return started

    return run


def asked(task, seed=1) -> list[str]:
    """The ids of all questions, in the order in which the data loader draws them."""
    rows = pq.read_table(task / "train.parquet").to_pylist()
    sampler = create_rl_sampler(OmegaConf.create({"shuffle": True, "seed": seed}), rows)
    return [question_id(rows[number], number) for number in sampler]


def trained(run) -> dict[int, list[str]]:
    """Step -> ids of its questions."""
    return {step: line["id"] for step, line in question_log.read(run.folder).items()}


def comparable(run) -> dict[int, dict]:
    return {
        step: {name: value for name, value in row.items() if not name.startswith(VARYING)}
        for step, row in run.steps().items()
    }


def test_with_nothing_ahead_it_is_synchronous_training(train):
    synchronous = train("sync", *AHEAD, "trainer.v1.trainer_mode=hpt_sync")
    ahead = train("ahead_0", *AHEAD, "trainer.v1.colocate_async.num_warmup_batches=0")
    assert comparable(ahead) == comparable(synchronous)
    assert (ahead.folder / question_log.FILE).read_bytes() == (synchronous.folder / question_log.FILE).read_bytes()
    weights = [parameters(run.folder / f"global_step_{STEPS}" / "actor/huggingface") for run in (synchronous, ahead)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    rows = ahead.steps()
    assert [rows[step]["hpt/age_max"] for step in rows] == [0] * STEPS
    assert sum(rows[step]["hpt/rows_rollout"] for step in rows) > 0


def test_questions_in_flight_survive_a_checkpoint_and_none_is_trained_on_twice(train, task):
    # All questions of a step are finished before the next step's are taken. Which ones finish first depends on the
    # machine's timing: each step has to train on rollouts whatever they scored, so wrong ones have advantage -1.
    settings = (
        *AHEAD,
        "hpt.strategy=mix",
        "hpt.rollout_algorithm=reinforce",
        "trainer.v1.sampler.max_off_policy_threshold=2",
        "trainer.v1.sampler.max_off_policy_strategy=wait",
    )
    first = train("ahead_1", *settings)
    assert first.steps()[STEPS]["hpt/age_max"] == 1
    resumed = train("ahead_1", *settings, steps=2 * STEPS)
    steps, in_flight = resumed.steps(), QUESTIONS
    assert sorted(steps) == list(range(1, 2 * STEPS + 1))
    assert [steps[step]["hpt/questions_in_flight"] for step in steps] == [in_flight] * len(steps)
    assert [steps[step]["hpt/leftover_rows"] for step in steps] == [0] * len(steps)
    assert steps[STEPS + 2]["hpt/stale_share"] > 0 and steps[STEPS + 2]["rollout_corr/rollout_is_min"] < 1
    drawn = asked(task)
    of_steps = trained(resumed)
    for last in (STEPS, 2 * STEPS):
        ids = [of_steps[step] for step in range(1, last + 1)]
        assert sorted(itertools.chain(*ids)) == sorted(drawn[: last * QUESTIONS])
