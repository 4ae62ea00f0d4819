# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The certain memory against tensors of a real optimizer step."""

from dataclasses import replace

import pytest
import torch
from omegaconf import open_dict
from peft import LoraConfig
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from hpt.common.errors import ConfigError
from hpt.preflight import memory
from hpt.preflight.model import ModelSizes, read_sizes

# Qwen2.5-Math-1.5B and 7B, LLaMA-3.1-8B: their config.json and the parameter counts of their model cards.
QWEN_1_5B = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
             "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True}  # fmt: skip
QWEN_7B = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
           "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False}  # fmt: skip
LLAMA_8B = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False}  # fmt: skip


def numbers(tensors) -> int:
    return sum(tensor.numel() for tensor in tensors)


@pytest.fixture(scope="module")
def trained(inputs):
    """The model after a step of AdamW, and the bytes of weights, gradients and moments."""
    model = AutoModelForCausalLM.from_pretrained(inputs / "model", dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.arange(20).reshape(1, -1)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    moments = [value for entry in optimizer.state.values() for value in entry.values() if value.dim()]
    sizes = {
        "weights": 4 * numbers(model.parameters()),
        "gradients": 4 * numbers(p.grad for p in model.parameters()),
        "adam": 4 * numbers(moments),
    }
    return model, optimizer, sizes


def test_parameters_are_counted_without_weights(inputs, trained):
    model, _, _ = trained
    sizes = read_sizes(inputs / "model")
    assert sizes.parameters == numbers(model.parameters())
    assert (sizes.layers, sizes.hidden, sizes.vocabulary) == (3, 64, 36)


@pytest.mark.parametrize(
    ("kind", "settings", "parameters"),
    [
        (Qwen2Config, QWEN_1_5B, 1_543_714_304),
        (Qwen2Config, QWEN_7B, 7_615_616_512),
        (LlamaConfig, LLAMA_8B, 8_030_261_248),
    ],
)
def test_the_papers_models_have_the_parameters_of_their_cards(tmp_path, kind, settings, parameters):
    kind(**settings, architectures=[f"{kind.__name__[:-6]}ForCausalLM"]).save_pretrained(tmp_path)
    assert read_sizes(tmp_path).parameters == parameters


@pytest.mark.parametrize("ranks", [1, 4])
def test_weights_gradients_and_adam_are_those_of_a_real_step(configure, inputs, trained, ranks):
    _, _, really = trained
    found = memory.needed(read_sizes(inputs / "model"), configure(trainer__n_gpus_per_node=ranks))
    for part, size in really.items():
        assert getattr(found, part) == size / ranks
    assert found.step == sum(really.values()) / ranks


SIZES = ModelSizes(parameters=1000, layers=2, hidden=10, vocabulary=50)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (1000, 1000, 2000, 2000, False)),  # 1000 x 4 bytes / 4 ranks; vLLM: 1000 x 2 bytes
        ({"trainer__nnodes": 2}, (500, 500, 1000, 2000, False)),
        ({"actor_rollout_ref__actor__fsdp_config__fsdp_size": 2}, (2000, 2000, 4000, 2000, False)),
        ({"actor_rollout_ref__actor__fsdp_config__model_dtype": "bf16"}, (500, 500, 1000, 2000, False)),
        ({"actor_rollout_ref__actor__fsdp_config__offload_policy": True}, (1000, 1000, 2000, 2000, True)),
        ({"actor_rollout_ref__actor__optim__optimizer": "SGD"}, (1000, 1000, 0, 2000, False)),
        ({"actor_rollout_ref__rollout__tensor_model_parallel_size": 2}, (1000, 1000, 2000, 1000, False)),
    ],
)
def test_every_part_by_hand(configure, changes, expected):
    config = configure("hpt_trainer", trainer__n_gpus_per_node=4, **changes)
    assert memory.needed(SIZES, config) == memory.Needed(*expected)


def test_lora_trains_its_adapters_alone(configure):
    config = configure("hpt_trainer", trainer__n_gpus_per_node=4)
    sizes = replace(SIZES, adapters=100)
    assert memory.needed(sizes, config) == memory.Needed(1100, 100, 200, 2000, False)
    # Weights and adapters twice (to resume, and the copy with its folder of adapters), the moments of the adapters.
    assert memory.checkpoint_bytes(sizes, config) == 4 * (1100 + 200 + 1100)
    with open_dict(config):
        config.actor_rollout_ref.actor.checkpoint.save_lora_only = True
    assert memory.checkpoint_bytes(sizes, config) == 4 * (100 + 200 + 1100)


@pytest.mark.parametrize(
    ("modules", "layers"),
    [
        ("all-linear", [(64, 64)] * 4 + [(64, 192), (64, 192), (192, 64)]),
        (["q_proj", "v_proj"], [(64, 64)] * 2),
    ],
)
def test_adapters_are_counted_from_rank_and_modules(inputs, trained, modules, layers):
    """A layer from a to b values has a x r and r x b of them."""
    model, _, _ = trained
    shapes = {tuple(part.weight.shape[::-1]) for part in model.modules() if isinstance(part, torch.nn.Linear)}
    assert set(layers) <= shapes
    found = read_sizes(inputs / "model", lora=LoraConfig(r=4, target_modules=modules))
    assert found.adapters == 3 * 4 * sum(a + b for a, b in layers)
    assert found.parameters == numbers(model.parameters())


def test_modules_that_the_model_lacks_are_refused(inputs):
    with pytest.raises(ConfigError, match=r"target_modules=.*qq_proj.*expected all-linear"):
        read_sizes(inputs / "model", lora=LoraConfig(r=4, target_modules=["qq_proj"]))


@pytest.mark.parametrize(
    ("contents", "copies"),
    [(["model", "optimizer", "extra", "hf_model"], 4), (["model", "optimizer", "extra"], 3), (["hf_model"], 1)],
)
def test_bytes_of_a_checkpoint(configure, contents, copies):
    config = configure("hpt_trainer", actor_rollout_ref__actor__checkpoint__save_contents=contents)
    assert memory.checkpoint_bytes(SIZES, config) == copies * 4000


def test_a_checkpoint_on_disk_has_the_estimated_size(configure, inputs, trained, tmp_path):
    model, optimizer, _ = trained
    # As verl's manager writes them.
    torch.save(model.state_dict(), tmp_path / "model.pt")
    torch.save(optimizer.state_dict(), tmp_path / "optim.pt")
    model.save_pretrained(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.glob("*.*"))
    assert size == pytest.approx(memory.checkpoint_bytes(read_sizes(inputs / "model"), configure()), rel=0.05)
