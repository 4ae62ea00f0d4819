# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import platform
import subprocess

import torch

import hpt
from hpt.common.versions import commit_of, versions


def test_versions():
    found = versions("hpt", "python", "torch", "vllm", "no-such-package")
    assert found["hpt"] == hpt.__version__ and found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert found["vllm"] and found["no-such-package"] is None


def test_commit(tmp_path):
    assert commit_of(tmp_path / "nowhere") is None and commit_of(tmp_path) is None

    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True)

    git("init", "-q")
    (tmp_path / "x").write_text("1")
    git("add", "x")
    git("commit", "-q", "-m", "x")
    commit = commit_of(tmp_path)
    assert commit is not None and len(commit) == 40
    (tmp_path / "untracked").touch()
    assert commit_of(tmp_path) == commit
    (tmp_path / "x").write_text("2")
    assert commit_of(tmp_path) == f"{commit}+changes"
