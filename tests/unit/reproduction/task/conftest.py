# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A tokenizer, and a model that was trained for a few steps only."""

import pytest

from recipe.hpt.reproduction.task.base_model import train_base_model
from recipe.hpt.reproduction.task.model import build_tokenizer
from tests.unit.reproduction.task.tiny import TINY


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A base model's folder and its manifest."""
    model_dir = tmp_path_factory.mktemp("base") / "model"
    return model_dir, train_base_model(model_dir, TINY, threads=1, progress=False)
