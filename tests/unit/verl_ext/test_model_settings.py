# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What is refused of the settings on weights and adapters."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from peft import LoraConfig

from hpt.common.errors import ConfigError
from hpt.verl_ext import model_settings

ADAPTERS = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj"], task_type="CAUSAL_LM")


def configuration(device: str = "cpu", **model: Any) -> DictConfig:
    lora = {"rank": model.pop("lora__rank", 0), "merge": model.pop("lora__merge", True)}
    defaults = {
        "path": "a/b", "trust_remote_code": False, "lora_rank": 8, "lora_alpha": 16, "target_modules": "all-linear",
        "exclude_modules": None, "lora_adapter_path": None,
    }  # fmt: skip
    merged = {**defaults, "lora": lora, **model}
    return OmegaConf.create({"trainer": {"device": device}, "actor_rollout_ref": {"model": merged}})


@pytest.mark.parametrize(
    ("device", "changes"),
    [
        ("cpu", {}),
        ("cpu", {"lora_rank": 0, "lora__merge": False}),
        ("cuda", {"lora__merge": False}),
        ("cpu", {"target_modules": ["q_proj", "v_proj"]}),
        ("cpu", {"target_modules": r".*\.mlp\..*"}),
    ],
)
def test_what_works_is_accepted(device, changes):
    model_settings.check_adapters(configuration(device, **changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lora__merge": False}, "actor_rollout_ref.model.lora.merge=False"),
        ({"lora_rank": -1}, "actor_rollout_ref.model.lora_rank=-1"),
        ({"lora__rank": 8}, "actor_rollout_ref.model.lora.rank=8"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head among them"),
        ({"target_modules": r".*(embed_tokens|q_proj)"}, "model.embed_tokens among them"),
        ({"lora_adapter_path": "/nowhere"}, "actor_rollout_ref.model.lora_adapter_path=/nowhere"),
        ({"lora_rank": 0, "lora_adapter_path": "/x"}, "actor_rollout_ref.model.lora_rank=0"),
    ],
)
def test_what_would_fail_or_be_ignored_is_refused(changes, named):
    with pytest.raises(ConfigError) as error:
        model_settings.check_adapters(configuration(**changes))
    assert named in str(error.value) and "expected" in str(error.value)


def test_given_adapters_have_to_have_the_rank(tmp_path):
    ADAPTERS.save_pretrained(tmp_path)
    model_settings.check_adapters(configuration(lora_adapter_path=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"lora_rank=4; expected 8"):
        model_settings.check_adapters(configuration(lora_adapter_path=str(tmp_path), lora_rank=4))


def test_the_weights_of_a_local_model_are_checked_and_a_hub_id_is_left_alone(tmp_path):
    model_settings.check_model_weights(configuration())
    Path(tmp_path, "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(ConfigError, match=r"got actor_rollout_ref.model.path=.*cannot be read"):
        model_settings.check_model_weights(configuration(path=str(tmp_path)))
