# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The estimate against tensors that were really there."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from hpt.preflight import memory
from hpt.preflight.model import ModelSizes, read_sizes

GIB = 1 << 30
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
    """The model after a step of AdamW: its sizes, and bytes of weights, gradients and state."""
    model = AutoModelForCausalLM.from_pretrained(inputs / "model", dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.arange(20).reshape(1, -1)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    state = [value for entry in optimizer.state.values() for value in entry.values() if value.dim()]
    sizes = {
        "weights": 4 * numbers(model.parameters()),
        "gradients": 4 * numbers(p.grad for p in model.parameters()),
        "adam": 4 * numbers(state),
    }
    return model, sizes


def test_parameters_are_counted_without_weights(inputs, trained):
    model, _ = trained
    sizes = read_sizes(inputs / "model")
    assert sizes.parameters == numbers(model.parameters())
    layer = numbers(model.model.layers[0].parameters())
    assert sizes.layer_parameters == pytest.approx(layer, rel=1e-3)  # and a third of the last norm
    assert (sizes.layers, sizes.hidden, sizes.vocabulary) == (3, 64, 36)
    assert sizes.key_value == model.model.layers[0].self_attn.k_proj.out_features
    assert sizes.tied is model.config.tie_word_embeddings


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
    _, really = trained
    found = memory.estimate(read_sizes(inputs / "model"), configure(trainer__n_gpus_per_node=ranks))
    for part, size in really.items():
        assert getattr(found, part) == size / ranks
    assert found.least == sum(really.values()) / ranks


def saved_for_backward(model, tokens: int) -> int:
    """Bytes that autograd keeps for the backward pass of the decoder layers, parameters apart."""
    held: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor)
        return tensor

    kept: list = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.model(input_ids=torch.ones(1, tokens, dtype=torch.long), use_cache=False)
    return sum(held.values())


def test_activations_are_what_autograd_keeps(configure, tmp_path):
    """Within the 30 % that the table claims, for a wider model whose odds and ends do not count."""
    settings = {**QWEN_1_5B, "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4,
                "num_attention_heads": 4, "vocab_size": 64}  # fmt: skip
    Qwen2Config(**settings, architectures=["Qwen2ForCausalLM"]).save_pretrained(tmp_path)
    config = Qwen2Config(**settings, attn_implementation="sdpa", dtype="float32")
    model = AutoModelForCausalLM.from_config(config)
    tokens = 512
    found = memory.estimate(
        read_sizes(tmp_path),
        configure(actor_rollout_ref__actor__ppo_max_token_len_per_gpu=tokens),
    )
    assert found.activations == pytest.approx(saved_for_backward(model, tokens), rel=0.3)


# One layer of width 10 with 100 parameters, by hand.
SIZES = ModelSizes(
    parameters=1000, layers=2, hidden=10, intermediate=30, key_value=4, layer_parameters=100, vocabulary=50, tied=True
)  # fmt: skip
GPU = {
    "trainer__n_gpus_per_node": 4,
    "data__max_prompt_length": 20,
    "data__max_response_length": 80,
    "actor_rollout_ref__actor__ppo_max_token_len_per_gpu": 200,
    "actor_rollout_ref__rollout__log_prob_max_token_len_per_gpu": 300,
}


def test_every_part_by_hand(configure):
    found = memory.estimate(SIZES, configure("hpt_trainer", **GPU))
    assert (found.weights, found.gradients, found.adam) == (1000, 1000, 2000)  # 1000 x 4 / 4
    assert found.gathered == 2 * (2 * 100 + 50 * 10) + 4 * 100
    layer = 200 * (2 * (60 + 8 + 120) + 80)
    assert found.activations == 2 * 200 * 10 * 2 + layer
    assert found.logits == 2 * 50 * 300  # the pass for log pi_old is the larger one
    assert found.vllm_weights == 2000 and found.vllm_share == 0.6
    assert found.update() == 4000 + 1800 + found.activations + 30000 + 3 * GIB
    assert found.beside_vllm == 3000 + 3 * GIB


@pytest.mark.parametrize(
    ("changes", "part", "value"),
    [
        ({"trainer__nnodes": 2}, "weights", 500),
        ({"actor_rollout_ref__actor__fsdp_config__fsdp_size": 2}, "weights", 2000),
        ({"actor_rollout_ref__actor__fsdp_config__model_dtype": "bf16"}, "adam", 1000),
        ({"actor_rollout_ref__actor__fsdp_config__offload_policy": True}, "least", 0),
        ({"actor_rollout_ref__model__lora_rank": 8}, "least", 0),
        ({"actor_rollout_ref__actor__fsdp_config__optimizer_offload": True}, "beside_vllm", 1000 + 3 * GIB),
        ({"actor_rollout_ref__actor__fsdp_config__param_offload": True}, "beside_vllm", 2000 + 3 * GIB),
        ({"actor_rollout_ref__rollout__tensor_model_parallel_size": 2}, "vllm_weights", 1000),
        ({"actor_rollout_ref__actor__entropy_coeff": 0.1, "actor_rollout_ref__actor__fsdp_config__use_torch_compile": False},
         "logits", 2 * 50 * 3 * 300),
        ({"actor_rollout_ref__model__use_remove_padding": False}, "logits", 2 * 50 * 2 * 200),
        ({"actor_rollout_ref__model__use_fused_kernels": True}, "logits", 0),
        ({"actor_rollout_ref__actor__use_dynamic_bsz": False, "actor_rollout_ref__actor__ppo_micro_batch_size_per_gpu": 8},
         "logits", 2 * 50 * 800),
        ({"actor_rollout_ref__rollout__log_prob_use_dynamic_bsz": False,
          "actor_rollout_ref__rollout__log_prob_micro_batch_size_per_gpu": 5}, "logits", 2 * 50 * 500),
    ],
)  # fmt: skip
def test_settings_that_move_a_part(configure, changes, part, value):
    found = memory.estimate(SIZES, configure("hpt_trainer", **{**GPU, **changes}))
    assert getattr(found, part) == value


def test_without_gradient_checkpointing_every_layer_keeps_its_own(configure):
    whole = {**GPU, "actor_rollout_ref__model__enable_gradient_checkpointing": False}
    found = memory.estimate(SIZES, configure("hpt_trainer", **whole))
    assert found.activations == 2 * 200 * (2 * (60 + 8 + 120) + 80)


def test_a_vllm_that_does_not_sleep_keeps_its_share_during_the_update(configure):
    awake = {**GPU, "actor_rollout_ref__rollout__free_cache_engine": False}
    found = memory.estimate(SIZES, configure("hpt_trainer", **awake))
    assert found.update(100 * GIB) - found.update() == pytest.approx(60 * GIB)


@pytest.mark.parametrize(
    ("contents", "copies"),
    [(["model", "optimizer", "extra", "hf_model"], 4), (["model", "optimizer", "extra"], 3), (["hf_model"], 1)],
)  # fmt: skip
def test_bytes_of_a_checkpoint(configure, contents, copies):
    config = configure("hpt_trainer", actor_rollout_ref__actor__checkpoint__save_contents=contents)
    assert memory.checkpoint_bytes(SIZES, config) == copies * 4000


def test_main_memory_for_loading_and_offloading(configure):
    def needed(tied=True, **changes):
        sizes = ModelSizes(**{**SIZES.__dict__, "tied": tied})
        return memory.host_bytes(sizes, configure("hpt_trainer", **{**GPU, **changes}))

    offload = {"actor_rollout_ref__actor__fsdp_config__offload_policy": True}
    assert needed() == 4 * 4000  # every rank loads a model with tied embeddings
    assert needed(tied=False) == 4000
    assert needed(tied=False, **offload) == 16000
    assert needed(tied=False, **offload, trainer__nnodes=2) == 8000
