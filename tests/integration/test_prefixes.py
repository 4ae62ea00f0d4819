# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Samples that continue a demonstration, from the data set to the trained rows, in a training by GRPO."""

import json

import pyarrow.parquet as pq
import pytest

from hpt.common.tokenizers import load_tokenizer
from tests.helpers.strategies import assert_trained

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

PREFIXED = '''
from hpt.verl_ext.dataset import HybridDataset

class Prefixed(HybridDataset):
    """Each sample but a question's first begins with the first tokens of the demonstration."""

    def __getitem__(self, item):
        row = super().__getitem__(item)
        known = self.demonstration(row["demonstration_id"])
        if known is not None:
            row["__response_prefixes__"] = [[], *[known[:number] for number in (1, 2, 3)]]
        return row
'''


def test_a_sample_continues_the_prefix_that_the_data_gives(launch, task, tmp_path):
    (tmp_path / "prefixed.py").write_text(PREFIXED)
    run = launch(
        tmp_path / "run",
        "trainer.total_training_steps=2",
        "trainer.val_before_train=false",
        "trainer.test_freq=-1",
        "trainer.save_freq=-1",
        "hpt.strategy=rl_only",
        "hpt.rollout_algorithm=grpo",
        "hpt.clip_ratio=[0.2,0.3]",
        # Enough questions that some are solved by some of their rollouts only.
        "data.train_batch_size=32",
        "actor_rollout_ref.actor.entropy_coeff=1e-4",  # keeps the rows of unanimous groups
        f"data.custom_cls.path={tmp_path / 'prefixed.py'}",
        "data.custom_cls.name=Prefixed",
        f"trainer.rollout_data_dir={tmp_path / 'rollouts'}",
    )
    assert run.wait(300) == 0, run.log[-3000:]
    tokenizer = load_tokenizer(str(task / "base_model"), "task")
    targets = {row["prompt"][0]["content"]: row["target"] for row in pq.read_table(task / "train.parquet").to_pylist()}
    rows = [json.loads(line) for line in (tmp_path / "rollouts" / "1.jsonl").read_text().splitlines()]
    assert len(rows) == 32 * 4
    for row in rows:
        sample = int(row["uid"].split("_")[1])
        (target,) = [target for prompt, target in targets.items() if prompt in row["input"]]
        text = target if isinstance(target, str) else target[-1]["content"]
        prefix = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)[:sample])
        assert row["output"].startswith(prefix.strip()), (row, prefix)
    steps = run.steps()
    assert steps[1]["hpt/rows_rollout"] == len(rows)
    assert_trained(list(steps.values()), run.log, {"loss_rl"})
