# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Which checkpoint of a training is the best on validation; tests/unit/examples/test_evaluate.py has the command."""

import json

import pytest

from hpt.common.errors import HPTError
from hpt.common.files import UNLOGGED
from hpt.evaluation.choice import best_checkpoint


@pytest.fixture
def run(tmp_path):
    """Checkpoints of steps 9, 10 and 11; the last is as good as the first."""
    for step in (9, 10, 11):
        (tmp_path / f"global_step_{step}" / "actor" / "huggingface").mkdir(parents=True)
    scores = {9: 0.5, 10: 0.25, 11: 0.5, 12: 0.75}
    lines = [{"step": step, "data": {"val-core/a/acc/mean@2": value}} for step, value in scores.items()]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_of_equals_the_earliest(run):
    assert best_checkpoint(run) == run / "global_step_9" / "actor" / "huggingface"


def test_a_checkpoint_that_is_not_finished_is_none(run):
    (run / "global_step_9" / UNLOGGED).touch()
    assert best_checkpoint(run).parts[-3] == "global_step_11"


def test_a_run_without_a_checkpoint_or_a_log_is_refused(run, tmp_path):
    with pytest.raises(HPTError, match="without a checkpoint"):
        best_checkpoint(tmp_path / "none")
    (run / "metrics.jsonl").unlink()
    with pytest.raises(HPTError, match="no validation at step 9"):
        best_checkpoint(run)
