# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints whose weights fit their configuration, and those that do not."""

import json
import logging
import resource
import struct
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from hpt.common.errors import ConfigError
from hpt.models.weights import check_weights


def build(tied: bool) -> Qwen2ForCausalLM:
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=13, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, tie_word_embeddings=tied,
        )
    )  # fmt: skip


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def model(request) -> Qwen2ForCausalLM:
    return build(request.param)


def message(folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        check_weights(folder, "model=x")
    assert str(error.value).startswith("got model=x, whose ")
    return str(error.value)


def test_a_saved_model_fits(model, tmp_path, caplog):
    model.save_pretrained(tmp_path)
    check_weights(tmp_path, "model=x")
    assert not caplog.records


def test_shards_fit(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    check_weights(tmp_path, "model=x")
    next(tmp_path.glob("model-00001*")).unlink()
    assert "cannot be read" in message(tmp_path)


def test_a_bin_file_with_both_of_two_tied_weights_fits(model, tmp_path):
    model.config.save_pretrained(tmp_path)
    state = model.state_dict()
    assert "lm_head.weight" in state
    torch.save(state, tmp_path / "pytorch_model.bin")
    check_weights(tmp_path, "model=x")


def test_the_state_of_a_peft_model_does_not_fit(model, tmp_path):
    """What verl exports of a training with LoRA."""
    peft = get_peft_model(build(model.config.tie_word_embeddings), LoraConfig(r=2, target_modules="all-linear"))
    model.save_pretrained(tmp_path, state_dict=peft.state_dict())
    said = message(tmp_path)
    assert "27 missing (lm_head.weight, model.embed_tokens.weight, " in said
    assert "base_model.model." in said and "Qwen2ForCausalLM" in said and "merge" in said


def test_adapters_beside_whole_weights_do_not_fit(model, tmp_path):
    state = {**model.state_dict(), "model.layers.0.mlp.up_proj.lora_A.default.weight": torch.zeros(2, 16)}
    model.save_pretrained(tmp_path, state_dict=state)
    said = message(tmp_path)
    assert "1 not of the model (model.layers.0.mlp.up_proj.lora_A.default.weight)" in said and "missing" not in said


def test_each_kind_of_mistake_is_named(model, tmp_path):
    state = {**model.state_dict(), "model.norm.weight": torch.zeros(5)}
    del state["model.layers.0.mlp.up_proj.weight"]
    model.save_pretrained(tmp_path, state_dict=state)
    said = message(tmp_path)
    assert "1 missing (model.layers.0.mlp.up_proj.weight)" in said
    assert "1 in another shape (model.norm.weight [5] for [16])" in said


def test_both_tied_weights_missing_are_named(tmp_path):
    model = build(tied=True)
    state = {name: value for name, value in model.state_dict().items() if "layers" in name or "norm" in name}
    model.save_pretrained(tmp_path, state_dict=state)
    assert "2 missing (lm_head.weight, model.embed_tokens.weight)" in message(tmp_path)


def test_an_untied_output_layer_has_to_be_there(tmp_path):
    model = build(tied=False)
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    model.save_pretrained(tmp_path, state_dict=state)
    assert "1 missing (lm_head.weight)" in message(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_half_a_file_cannot_be_read(model, tmp_path, name):
    model.config.save_pretrained(tmp_path)
    if name.endswith(".bin"):
        torch.save(model.state_dict(), tmp_path / name)
    else:
        model.save_pretrained(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in message(tmp_path)


@pytest.mark.parametrize(
    "config",
    [{"model_type": "nope"}, {"model_type": "qwen2", "quantization_config": {"quant_method": "fp8"}}],
    ids=["unknown", "quantized"],
)
def test_what_transformers_cannot_build_is_left_alone_with_a_warning(tmp_path, caplog, config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with caplog.at_level(logging.WARNING):
        check_weights(tmp_path, "model=x")
    (record,) = caplog.records
    assert "got model=x, whose weights were not compared" in record.message


def test_no_weights_are_read(tmp_path):
    """The file has 34 GB, more than this machine could hold; they are a hole in it."""
    config = Qwen2Config(vocab_size=1 << 20, hidden_size=4096, intermediate_size=8, num_hidden_layers=1)
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    config.save_pretrained(tmp_path)
    entries, end = {}, 0
    for name, weight in model.state_dict().items():
        begin, end = end, end + weight.nbytes
        entries[name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(file.tell() + end)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_weights(tmp_path, "model=x")
    assert end > 34e9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB
