# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A small real model, questions and a composed configuration that names them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.questions import write_task

CONFIG_DIR = Path(__file__).parents[3] / "recipe" / "hpt" / "config"
SETTINGS = BaseModelSettings(hidden_size=64, num_layers=3, num_heads=2)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Path:
    """train.parquet (96 questions), val.parquet and model/."""
    folder = tmp_path_factory.mktemp("preflight")
    write_task(folder, train_size=96, val_per_level=1, seed=0)
    tokenizer = build_tokenizer()
    build_model(SETTINGS, tokenizer).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="session")
def composed() -> dict[str, DictConfig]:
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(CONFIG_DIR), version_base=None):
            return {name: hydra.compose(name) for name in ("quickstart", "small_model", "hpt_trainer")}
    finally:
        GlobalHydra.instance().clear()


@pytest.fixture
def configure(composed, inputs, tmp_path) -> Callable[..., DictConfig]:
    """configure(name, a__b=value, ...) -> the configuration, with files, for the folder tmp_path/run."""

    def make(name: str = "quickstart", **changes) -> DictConfig:
        config = composed[name].copy()
        paths = {
            "data__train_files": str(inputs / "train.parquet"),
            "data__val_files": str(inputs / "val.parquet"),
            "actor_rollout_ref__model__path": str(inputs / "model"),
            "trainer__default_local_dir": str(tmp_path / "run"),
        }
        with open_dict(config):
            for key, value in {**paths, **changes}.items():
                OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
        return config

    return make


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """Keep the variables that a check sets from other tests, and the machine's own from these."""
    before = dict(os.environ)
    for name in (
        "GPU_MEMORY_GIB", "RAY_ADDRESS", "CUDA_VISIBLE_DEVICES", "CHECK", "DRY_RUN", "VERL_FILE_LOGGER_PATH",
        "TENSORBOARD_DIR",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
