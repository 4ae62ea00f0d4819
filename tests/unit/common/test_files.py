# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A written file is as before or complete."""

import pytest

from hpt.common import files
from hpt.common.files import write_whole
from tests.helpers.checkpoints import write_checkpoint


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", "before")

    def power_failure(*_):
        raise OSError("gone")

    monkeypatch.setattr(files.os, "fsync", power_failure)
    with pytest.raises(OSError, match="gone"):
        write_whole(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "before"


def test_a_checkpoint_that_vanishes_between_two_looks_is_left_out(tmp_path, monkeypatch):
    for step in (1, 2):
        (tmp_path / f"global_step_{step}").mkdir()
        (tmp_path / f"global_step_{step}" / files.DATA_STATE).touch()

    def removed(checkpoint):
        if checkpoint.name == "global_step_1":
            (checkpoint / files.DATA_STATE).unlink()
        return True

    monkeypatch.setattr(files, "is_complete", removed)
    assert files.complete_checkpoints(tmp_path) == [2]


def test_only_a_checkpoint_that_is_there_is_said_to_be_kept(tmp_path):
    assert files.what_is_kept(tmp_path / "none") == "there is no complete checkpoint, so the same command begins anew"
    write_checkpoint(tmp_path, 1, complete=False)
    assert "begins anew" in files.what_is_kept(tmp_path)
    write_checkpoint(tmp_path, 3)
    assert "is kept (global_step_3), and the same command continues" in files.what_is_kept(tmp_path)


def test_a_checkpoint_whose_step_is_not_logged_yet_does_not_count(tmp_path):
    folder = write_checkpoint(tmp_path, 1)
    assert files.complete_checkpoints(tmp_path) == [1]
    (folder / files.UNLOGGED).touch()
    assert files.complete_checkpoints(tmp_path) == []
