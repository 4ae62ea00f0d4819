# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The files that make the rows of the paper's tables: each value has a source, and nothing is named twice."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from hpt.data.openr1 import SUBSET
from hpt.evaluation import settings as evaluation
from hpt.method.config import HPTConfig
from hpt.models.prepare import PRESETS
from hpt.models.templates import template_of
from recipe.hpt.configs import FOLDER, choices
from recipe.hpt.reproduction.methods import STAGES
from recipe.hpt.reproduction.paper.results import MODELS
from tests.unit.examples.published import BASE_MODELS, LLAMA_TEMPLATE, ROWS, SHARED

GROUPS = ("experiment", "method", "base_model", "optimization", "arithmetic", "paper")
FILES = [f"{group}/{name}" for group in GROUPS for name in choices(group)]
SOURCES = re.compile(r"# (paper|released code|public code|arXiv \d{4}\.\d{5}|not published: .+)")
LEAF = re.compile(r"^ *\w+: \S")


def lines_of(name: str) -> list[str]:
    return (FOLDER / f"{name}.yaml").read_text().splitlines()


def leaves(name: str) -> dict[str, Any]:
    """Dotted key -> value of a file, without its defaults list; interpolations as they are written."""
    config = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    assert isinstance(config, dict)
    config.pop("defaults", None)
    return dict(_flat(config))


def _flat(config: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_method_on_every_model_four_ablations_lora_and_a_sound_baseline():
    ablations = {"off_on", "mix_on", "hpt_gamma_1_8", "hpt_gamma_2_8"}
    expected = {
        (model, method) for model in MODELS for method in ("sft", "grpo", "sft_then_grpo", "luffy", "srft", "hpt")
    }
    expected |= {("qwen2.5_math_1.5b", method) for method in ablations | {"hpt_lora"}}
    expected |= {("qwen2.5_math_7b", method) for method in ("sft_then_rl", "sft_then_rl_50")}
    assert {(row.model, row.method) for row in ROWS} == expected
    assert len(ROWS) == len(expected) == 25
    assert sorted(name for row in ROWS for name in row.experiments) == choices("experiment")


@pytest.mark.parametrize("name", FILES)
def test_every_value_has_its_source_beside_it(name):
    lines = lines_of(name)
    assert lines[0] == "# @package _global_"  # Hydra reads it from the first line only
    values = [number for number, line in enumerate(lines) if LEAF.match(line)]
    for number in values:
        assert SOURCES.search(lines[number]) or SOURCES.search(lines[number - 1]), lines[number]


@pytest.mark.parametrize("name", choices("experiment"))
def test_a_row_sets_only_what_it_does_not_share(name):
    assert set(leaves(f"experiment/{name}")) <= {
        "trainer.experiment_name", "trainer.default_local_dir", "actor_rollout_ref.model.path",
        "hpt.gamma", "hpt.sft_coef", "data.train_files",
    }  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_names_its_run_and_its_tables(row):
    for experiment, stage in zip(row.experiments, row.stages, strict=True):
        config = OmegaConf.load(FOLDER / "experiment" / f"{experiment}.yaml")
        suffix = "" if len(row.stages) == 1 else f"_{stage}"
        assert config.trainer.experiment_name == f"{row.name}{suffix}"
        comment = " ".join(line for line in lines_of(f"experiment/{experiment}")[3:] if line.startswith("#"))
        assert MODELS[row.model] in comment
        if row.tables:
            assert f"Table {row.tables[0]}" in comment or f"Tables {row.tables[0]}" in comment
        else:
            assert "no row of the paper" in comment


def test_a_method_of_the_study_is_the_method_of_the_rows():
    assert {stage.method for stage in STAGES.values()} == set(choices("method")) - {"rl_after_sft"}
    for stage in STAGES.values():
        file = {
            f"++{key}" if "params" in key else key: value for key, value in leaves(f"method/{stage.method}").items()
        }
        given = dict(item.split("=", 1) for item in stage.overrides(10))
        for key, value in stage.scaled.items():
            file[key] = value(10) if callable(value) else value
        assert given == {key: str(value) for key, value in file.items()}


@pytest.mark.parametrize("method", choices("method"))
def test_every_method_is_accepted(method):
    section = OmegaConf.load(FOLDER / "method" / f"{method}.yaml").hpt
    accepted = HPTConfig.from_mapping(dict(section))
    assert {key: getattr(accepted, key) for key in section} == dict(section)


def test_the_default_has_what_all_rows_share():
    config = OmegaConf.load(FOLDER / "hybrid.yaml")
    there = {key: OmegaConf.select(config, key) for key in SHARED}
    assert there == SHARED


def test_models_are_prepared_as_published():
    presets = {"qwen2.5_math_7b": "qwen2.5-math", "qwen2.5_math_1.5b": "qwen2.5-math", "llama3.1_8b": "llama-3.1"}
    assert choices("base_model") == sorted(presets) == sorted(MODELS)
    for model, preset in presets.items():
        config = OmegaConf.load(FOLDER / "base_model" / f"{model}.yaml")
        assert config.actor_rollout_ref.model.path == BASE_MODELS[model]
        rope = (PRESETS[preset].rope_theta, PRESETS[preset].max_position_embeddings)
        assert rope == ((None, None) if model == "llama3.1_8b" else (40000, 16384))
    import jinja2

    rendered = jinja2.Template(template_of(PRESETS["llama-3.1"].chat_template or "")).render(
        messages=[{"role": "user", "content": "1+1?"}], add_generation_prompt=True
    )
    assert rendered == LLAMA_TEMPLATE.replace("{prompt}", "1+1?")


def test_the_data_is_the_published_set():
    (line,) = [line for line in lines_of("paper/shared") if "train_files" in line]
    assert line.endswith("Elliott/Openr1-Math-46k-8192") and SUBSET == "Elliott/Openr1-Math-46k-8192"


def test_evaluations_are_the_published_ones():
    config = OmegaConf.load(FOLDER / "eval.yaml")
    assert (config.temperature, config.top_p, config.max_tokens) == (0.6, 0.95, 8192)
    assert dict.fromkeys(("aime24", "aime25", "amc23"), 32) == evaluation.SAMPLES


def test_no_name_of_ours_is_one_of_verls():
    import verl.trainer.config

    theirs = {path.name for path in Path(verl.trainer.config.__file__).parent.iterdir() if path.is_dir()}
    assert not theirs & set(GROUPS)
