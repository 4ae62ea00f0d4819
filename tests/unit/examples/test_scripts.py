# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Launch scripts compose and validate, even where they cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.data.builtin_model import BaseModelSettings, build_model, build_tokenizer
from hpt.data.builtin_task import write_task

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = sorted((ROOT / "examples").glob("run_*.sh"))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    train, val = write_task(folder, train_size=12, val_per_level=2)
    model = folder / "model"
    tokenizer = build_tokenizer()
    build_model(
        BaseModelSettings(hidden_size=32, num_layers=1, num_heads=1), tokenizer
    ).save_pretrained(model)
    tokenizer.save_pretrained(model)
    return {
        "MODEL_PATH": str(model),
        "TRAIN_FILE": str(train),
        "VAL_FILE": str(val),
        "OUTPUT_DIR": str(folder / "run"),
    }


def dry_run(script: Path, paths: dict[str, str], *overrides: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(script), f"hydra.run.dir={paths['OUTPUT_DIR']}/hydra", *overrides],
        env={**os.environ, **paths, "DRY_RUN": "1", "PYTHON": sys.executable},
        cwd="/",  # from anywhere
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_composes_and_validates(script, paths):
    done = dry_run(script, paths)
    assert done.returncode == 0, done.stderr
    assert "dry run: configuration, data and paths are valid" in done.stdout


def test_overrides_are_passed_through_and_refused_when_wrong(paths):
    done = dry_run(SCRIPTS[0], paths, "hpt.gamma=2")
    assert done.returncode == 2
    assert (
        done.stderr.strip().splitlines()[-1]
        == "error: got hpt.gamma=2; expected a mean rollout accuracy in [0, 1]"
    )


def test_a_wrong_path_is_named(paths):
    done = dry_run(SCRIPTS[0], {**paths, "TRAIN_FILE": "/nowhere/train.parquet"})
    assert done.returncode == 2
    assert "got data.train_files=/nowhere/train.parquet, which does not exist" in done.stderr


def test_an_unknown_key_names_the_nearest(paths):
    done = dry_run(SCRIPTS[0], paths, "hpt.gama=0.5")
    assert done.returncode == 2
    assert "Unknown setting 'hpt.gama'. Did you mean hpt.gamma" in done.stderr
