# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The table of published settings against what else in the project follows the paper."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from hpt.data.openr1 import SUBSET
from hpt.evaluation import settings as evaluation
from hpt.method.config import HPTConfig
from hpt.models.prepare import PRESETS
from hpt.models.templates import template_of
from recipe.hpt.reproduction.paper import settings as published
from recipe.hpt.reproduction.paper.settings import (
    CHOSEN,
    EVALUATION,
    MODELS,
    PAPER,
    ROWS,
    SHARED,
    Setting,
    row_of,
)
from recipe.hpt.reproduction.study.plan import BASE, COMPARED

CONFIG = Path(__file__).resolve().parents[4] / "recipe" / "hpt" / "config"


def test_every_method_on_every_model_and_four_ablations():
    ablations = {"off_on", "mix_on", "hpt_gamma_1_8", "hpt_gamma_2_8"}
    methods = set(COMPARED) - {BASE}
    expected = {(model, method) for model in MODELS for method in methods}
    expected |= {("qwen2.5_math_1.5b", method) for method in ablations}
    assert {(row.model, row.method) for row in ROWS} == expected
    assert len({row.name for row in ROWS}) == len(ROWS) == 22


def test_rows_per_table():
    rows = {number: {row.method for row in ROWS if number in row.tables} for number in range(2, 7)}
    assert rows == {
        2: {"sft", "grpo", "sft_grpo", "luffy", "srft", "hpt"},
        3: {"sft", "grpo", "luffy", "hpt"},
        4: {"hpt", "grpo", "luffy"},
        5: {"off_on", "mix_on", "hpt"},
        6: {"hpt", "hpt_gamma_1_8", "hpt_gamma_2_8"},
    }
    quoted = {(row.model, row.method) for row in ROWS if row.quoted}
    assert quoted == {("llama3.1_8b", method) for method in ("sft", "grpo", "luffy")}


@pytest.mark.parametrize(
    ("model", "method", "expected"),
    [
        (
            "qwen2.5_math_7b",
            "hpt",
            {"gamma": 0.0, "sft_coef": 1.0, "skip_grad_norm": 80, "lr": 5e-6},
        ),
        ("qwen2.5_math_1.5b", "hpt", {"gamma": 0.0, "sft_coef": 0.3, "skip_grad_norm": 80}),
        ("qwen2.5_math_1.5b", "hpt_gamma_1_8", {"gamma": 1 / 8, "sft_coef": 0.3}),
        ("qwen2.5_math_1.5b", "hpt_gamma_2_8", {"gamma": 2 / 8, "sft_coef": 0.3}),
        ("qwen2.5_math_1.5b", "off_on", {"strategy": "off_on", "off_coef": 1.0}),
        ("qwen2.5_math_1.5b", "mix_on", {"off_coef": 1.0, "sft_coef": 0.1}),
        ("llama3.1_8b", "hpt", {"gamma": 2 / 8, "sft_coef": 1.0, "skip_grad_norm": None}),
        ("llama3.1_8b", "luffy", {"lr": 1e-6, "n": 7, "strategy": "luffy"}),
        ("qwen2.5_math_1.5b", "srft", {"lr": 1e-6, "n": 7, "strategy": "srft"}),
        ("qwen2.5_math_7b", "grpo", {"lr": 5e-6, "n": 8, "rollout_algorithm": "grpo"}),
    ],
)
def test_what_sets_a_row_apart(model, method, expected):
    ((_, settings),) = row_of(model, method).stages
    # `n` and `lr` alone are also ends of validation's keys.
    last = {key.rpartition(".")[2]: item.value for key, item in settings.items() if "val_kwargs" not in key}
    assert {name: last[name] for name in expected} == expected


def test_the_stages_of_sft_then_grpo_are_the_rows_of_these_names():
    for model in MODELS:
        stages = dict(row_of(model, "sft_grpo").stages)
        for method in ("sft", "grpo"):
            assert stages[method] == dict(row_of(model, method).stages)[method]


def test_every_hybrid_setting_is_one_and_accepted():
    for row in ROWS:
        for _, settings in row.stages:
            section = {key[4:]: item.value for key, item in settings.items() if key.startswith("hpt.")}
            accepted = HPTConfig.from_mapping(section)
            assert {key: getattr(accepted, key) for key in section} == section


def test_the_gpu_default_is_what_all_rows_share():
    config = OmegaConf.load(CONFIG / "hybrid.yaml")
    set_there = {key: OmegaConf.select(config, key) for key in SHARED}
    differing = {key for key, value in set_there.items() if value not in (None, SHARED[key].value)}
    assert not differing
    assert sum(value is not None for value in set_there.values()) >= 20  # the rest are verl's defaults


def test_models_are_prepared_as_published():
    for model in MODELS.values():
        preset = PRESETS[model.preset]
        assert preset.rope_theta == model.rope_theta
        assert preset.max_position_embeddings == model.max_position_embeddings
        assert model.folder.startswith(model.hub_id.rpartition("/")[2])
    template = template_of(PRESETS[MODELS["llama3.1_8b"].preset].chat_template or "")
    import jinja2

    rendered = jinja2.Template(template).render(
        messages=[{"role": "user", "content": "1+1?"}], add_generation_prompt=True
    )
    assert rendered == published.QUESTION_ANSWER.replace("{prompt}", "1+1?")
    assert published.DATASET == SUBSET


def test_evaluations_are_the_published_ones():
    config = OmegaConf.load(CONFIG / "eval.yaml")
    assert (config.temperature, config.top_p) == (EVALUATION.temperature, EVALUATION.top_p)
    assert config.max_tokens == EVALUATION.max_tokens
    assert dict.fromkeys(EVALUATION.averaged, EVALUATION.samples) == evaluation.SAMPLES


def test_what_was_not_published_says_what_is_followed():
    with pytest.raises(AssertionError, match="what is followed"):
        Setting(1, CHOSEN)
    with pytest.raises(AssertionError, match="rumour"):
        Setting(1, "rumour")
    assert Setting(1).source == PAPER


@pytest.mark.parametrize(
    ("model", "method", "message"),
    [
        ("qwen", "hpt", "Unknown model 'qwen'. Available: qwen2.5_math_7b, qwen2.5_math_1.5b"),
        ("llama3.1_8b", "off_on", "Unknown method 'off_on' of llama3.1_8b. Available: sft, grpo"),
    ],
)
def test_an_unknown_row_lists_the_known(model, method, message):
    with pytest.raises(ValueError) as error:
        row_of(model, method)
    assert message in str(error.value)
