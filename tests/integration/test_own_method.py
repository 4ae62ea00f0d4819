# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A user's own algorithm, gate and verifier train on the real stack."""

import pyarrow
import pyarrow.parquet
import pytest

from tests.helpers.processes import python_path
from tests.helpers.strategies import assert_trained

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

OWN = """
from hpt.verifier import Verdict, register_kind

@register_kind("one_more")
def one_more(response, gold):
    answer = response.rpartition("{")[2].rstrip("}")
    return Verdict("correct" if answer.isdigit() and int(answer) + 1 == int(gold) else "wrong", answer)

def fading(mean):
    return mean, 0.25 * (1 - mean), 0.75 * (1 - mean)
"""


def test_algorithm_gate_and_verifier_of_ones_own(launch, task, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    rows = pyarrow.parquet.read_table(task / "train.parquet").to_pylist()
    for row in rows:
        gold = int(row["reward_model"]["ground_truth"])
        row["reward_model"]["ground_truth"] = str(gold + 1)  # right for the own verifier only
        row["extra_info"]["verifier_kind"] = "one_more"
    train = tmp_path / "train.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), train)
    run = launch(
        tmp_path / "run",
        "trainer.total_training_steps=2",
        "trainer.save_freq=-1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        f"data.train_files={train}",
        "hpt.plugins=[examples.own_algorithm,own]",
        "hpt.rollout_algorithm=cautious_reinforce",
        "hpt.strategy=soft",
        "hpt.schedule=own:fading",
        "data.train_batch_size=32",
        PYTHONPATH=python_path(tmp_path),
    )
    assert run.wait(400) == 0, run.log[-3000:]
    steps = list(run.steps().values())
    assert_trained(steps, run.log, {"loss_rl", "loss_off", "loss_sft"})
    assert any(step["hpt/rollout_accuracy"] > 0 for step in steps)
    for step in steps:
        wrong = 1 - step["hpt/rollout_accuracy"]
        assert step["hpt/coefficient_sft"] == pytest.approx(0.75 * wrong)
        assert step["hpt/coefficient_off"] == pytest.approx(0.25 * wrong)
