# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A training that is interrupted by Ctrl-C ends with everything it started."""

import json
import signal

import pytest

from hpt.common.files import TRACKER, what_is_kept
from tests.helpers.checkpoints import parameters

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "kill"])
def test_ctrl_c_leaves_no_process_and_no_half_checkpoint(launch, tmp_path, whole_group):
    run = launch(
        tmp_path / "interrupted",
        "trainer.total_training_steps=50",
        "trainer.save_freq=1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        own_interpreter=True,
    )
    run.wait_for_step(1, 300)
    if whole_group:  # a terminal sends the signal to every process of the foreground group
        run.signal_all(signal.SIGINT)
    else:
        run.process.send_signal(signal.SIGINT)
    assert run.wait(90) == 130, run.log[-3000:]
    run.assert_nothing_is_left()
    assert f"interrupted; {what_is_kept(run.folder)}" in run.log
    tracker = run.folder / TRACKER
    if tracker.exists():  # what it names is complete
        folder = run.folder / f"global_step_{tracker.read_text().strip()}"
        assert (folder / "data.pt").exists()
        assert json.loads((folder / "actor" / "fsdp_config.json").read_text())["world_size"] == 1
        assert parameters(folder / "actor" / "huggingface")
