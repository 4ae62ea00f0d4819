# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from hpt.common.errors import ConfigError
from hpt.common.tokenizers import is_local, load_tokenizer


def test_paths_and_hub_ids(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "here").mkdir(parents=True)
    for path in ("/a", "./a", "../a", "~/a", "a/b/c", "owner/here"):
        assert is_local(path), path
    for hub_id in ("gpt2", "Qwen/Qwen2.5-Math-1.5B"):
        assert not is_local(hub_id), hub_id


def test_a_folder_without_a_tokenizer(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"got model=MINE, whose tokenizer cannot be loaded \(.+\); expected"):
        load_tokenizer(tmp_path, "model=MINE")
    with pytest.raises(ConfigError, match="got model=MINE, which does not exist"):
        load_tokenizer(tmp_path / "nowhere", "model=MINE")
