# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A written file is as before or complete."""

import pytest

from hpt.common import files
from hpt.common.files import write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", "before")

    def power_failure(*_):
        raise OSError("gone")

    monkeypatch.setattr(files.os, "fsync", power_failure)
    with pytest.raises(OSError, match="gone"):
        write_whole(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "before"
