# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of a tiny model against loops over rows and tokens."""

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from hpt.method.proof.check import Batch, random_inputs
from hpt.method.proof.witnesses import group_advantage
from hpt.upge import ALGORITHMS, token_coefficient
from recipe.hpt.reproduction.diagnose.gradients import (
    RowGradients,
    block_name,
    evaluation_mode,
    layout_of,
    response_log_probs,
    token_weights,
    trainable,
)
from recipe.hpt.reproduction.diagnose.questions import Question, Rollouts
from recipe.hpt.reproduction.diagnose.stream import no_progress, run
from recipe.hpt.reproduction.diagnose.variants import ADVANTAGES, Variant, applicable, choose

F64 = torch.float64
PROMPT = [1, 4, 2]
RESPONSES = [[3, 5, 1, 0], [2], [6, 6], [4, 1, 3]]
SCORES = [1.0, 0.0, 0.0, 1.0]
SHIFT = [0.5, -0.3, 0.05, 0.0]
"""log pi_old - log pi_theta per row: outside the clip on either side, within it, and on-policy."""
DEMONSTRATION = [5, 2, 0]
VALUES = [[0.1, 0.2, 0.3, 0.4], [0.5], [0.2, 0.9], [0.6, 0.1, 0.0]]
L_MAX = 8
DIAGNOSED = ["sft", "reinforce", "ppo", "grpo", "dr_grpo", "cispo", "gspo", "luffy_offline", "srft_offline"]
DIAGNOSED += ["dft", "trsft", "topr"]
ROUNDING = 1e-5
"""Relative error of gradients: Qwen2 computes its norms in float32 in a float64 model, too."""


def tiny_model(tied: bool = True, dtype=F64, seed: int = 0):
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=7, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=tied,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).to(dtype)
    for each in model.parameters():  # the default weights are so small that every token is equally likely
        torch.nn.init.normal_(each, std=0.4)
    return model.eval()


def one_row(model, response):
    """log pi of a single row, without padding or mask. (T,)"""
    logits = model(input_ids=torch.tensor([PROMPT + response])).logits[0].log_softmax(-1)
    return torch.stack([logits[len(PROMPT) - 1 + t, token] for t, token in enumerate(response)])


def flat_gradient(value, model) -> torch.Tensor:
    found = torch.autograd.grad(value, trainable(model), retain_graph=True, allow_unused=True)
    pairs = zip(found, trainable(model), strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def test_padded_rows_equal_single_rows():
    model = tiny_model()
    log_probs, mask = response_log_probs(model, PROMPT, RESPONSES)
    assert mask.sum(-1).tolist() == [4, 1, 2, 3]
    for row, response in zip(log_probs, RESPONSES, strict=True):
        torch.testing.assert_close(row[: len(response)], one_row(model, response))


def naive(model, entry, rows, old_rows, advantages, denominator) -> torch.Tensor:
    """The sum of coefficient * grad pi_theta / denominator, one row and one token at a time."""
    total = torch.zeros(layout_of(model).total, dtype=F64)
    for response, old, advantage in zip(rows, old_rows, advantages, strict=True):
        log_prob = one_row(model, response)
        inputs = (x.reshape(1, -1) for x in (log_prob.detach(), old, advantage))
        coefficient = token_coefficient(entry, *inputs, torch.ones(1, len(response)))[0]
        for weight, token in zip(coefficient, log_prob, strict=True):
            total += weight * flat_gradient(token.exp(), model) / denominator
    return total


def advantages_by_hand(entry: str) -> list[torch.Tensor]:
    """The advantage of each row of a group of two rollouts that score 1 and 0, or of the demonstration."""
    scores = torch.tensor(SCORES[:2], dtype=F64)
    if entry in ("luffy_offline", "srft_offline"):
        mixed = group_advantage(torch.tensor([*SCORES[:2], 1.0]), [0, 0, 0], normalize=True)
        return [mixed[2:].to(F64).expand(len(DEMONSTRATION))]
    if entry in ("sft", "dft", "trsft"):
        return [torch.ones(len(DEMONSTRATION), dtype=F64)]
    if entry == "ppo":
        return [s - torch.tensor(v, dtype=F64) for s, v in zip(scores, VALUES, strict=False)]
    values = (
        2 * scores - 1
        if entry in ("reinforce", "topr")
        else group_advantage(scores, [0, 0], normalize=entry != "dr_grpo")
    )
    return [a.expand(len(r)) for a, r in zip(values, RESPONSES, strict=False)]


@pytest.mark.parametrize("entry", DIAGNOSED)
def test_an_entrys_gradient_is_the_loop_over_its_tokens(entry):
    """This covers a group's advantages, denominators and gradient, from the question to the mean gradient."""
    model = tiny_model()
    rows = RESPONSES[:2]
    with torch.no_grad():
        old = [one_row(model, r) + s for r, s in zip(RESPONSES, SHIFT, strict=True)]
    # The second group repeats the first, so that the mean is the gradient of one.
    pool = Rollouts(rows * 2, SCORES[:2] * 2, [x.tolist() for x in old[:2]] * 2, VALUES[:2] * 2)
    question = Question(PROMPT, pool, DEMONSTRATION)
    variant = Variant(entry, entry)
    track = run(model, [question], [variant], 2, 2.0 * L_MAX, no_progress, "")[0]
    if variant.rule.on_demonstrations:
        expected = naive(
            model, entry, [DEMONSTRATION], [torch.zeros(3, dtype=F64)],
            advantages_by_hand(entry), len(DEMONSTRATION),
        )  # fmt: skip
    else:
        expected = naive(model, entry, rows, old[:2], advantages_by_hand(entry), 2 * L_MAX)
    assert expected.norm() > 1e-4
    assert (track.moments.mean - expected).norm() <= ROUNDING * expected.norm()


def test_which_entries_are_diagnosed():
    """The others read what is not given, or have an advantage that is not computed here."""
    chosen, reasons = applicable(choose(None), has_demonstrations=True, has_values=True)
    assert [each.label for each in chosen] == DIAGNOSED
    assert reasons["iw_sft"] == "it reads initial_log_prob, which is not given"
    assert reasons["psft"] == "it reads pi_old of demonstrations, which is not given"
    assert reasons["max_rl"].startswith("its advantage is '(R - mean) / mean'; known here: ")
    assert {ALGORITHMS[name].advantage.text for name in DIAGNOSED} == set(ADVANTAGES)


@pytest.mark.parametrize("entry", ALGORITHMS)
def test_weights_are_coefficient_times_probability(entry):
    random = torch.Generator().manual_seed(1)
    log_prob, noise, advantages = (torch.randn(3, 5, generator=random, dtype=F64) for _ in range(3))
    log_prob = -log_prob.abs()
    mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    inputs = (log_prob, log_prob + 0.3 * noise, advantages, mask)
    others = random_inputs(entry, Batch(*inputs), 0)
    expected = token_coefficient(entry, *inputs, **others) * log_prob.exp()
    torch.testing.assert_close(token_weights(entry, *inputs, **others), expected)


def test_parallel_weights_share_a_backward_pass(monkeypatch):
    model = tiny_model()
    rows = RowGradients(model, PROMPT, RESPONSES)
    weights = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=F64) * rows.mask
    passes = []
    backward = RowGradients._backward
    monkeypatch.setattr(RowGradients, "_backward", lambda self, w: passes.append(w) or backward(self, w))
    first = rows.gradient(weights)
    expected = flat_gradient((rows.log_prob * weights).sum(), model)
    assert (first - expected).norm() <= ROUNDING * expected.norm()
    torch.testing.assert_close(rows.gradient(-2.5 * weights), -2.5 * first)
    assert len(passes) == 1
    other = weights.clone()
    other[0, 0] += 1e-6
    rows.gradient(other)
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("parameter", "tied", "block"),
    [
        ("model.embed_tokens.weight", False, "embedding"),
        ("model.embed_tokens.weight", True, "embedding = head"),
        ("model.layers.11.self_attn.q_proj.bias", False, "layer 11 attention"),
        ("model.layers.0.mlp.down_proj.weight", False, "layer 0 MLP"),
        ("model.layers.0.post_attention_layernorm.weight", False, "norms"),
        ("model.norm.weight", False, "norms"),
        ("lm_head.weight", False, "head"),
        ("transformer.wte.weight", False, "embedding"),
        ("transformer.h.3.attn.c_attn.weight", False, "layer 3 attention"),
        ("transformer.h.3.ln_1.weight", False, "norms"),
        ("gpt_neox.layers.2.attention.dense.weight", False, "layer 2 attention"),
        ("embed_out.weight", False, "head"),
        ("model.layers.1.block_sparse_moe.experts.0.w1.weight", False, "layer 1 MLP"),
        ("value_projection.weight", False, "other"),
    ],
)
def test_blocks_by_name(parameter, tied, block):
    assert block_name(parameter, tied) == block


@pytest.mark.parametrize("tied", [True, False])
def test_the_layout_covers_every_trainable_parameter_once(tied):
    model = tiny_model(tied)
    model.model.norm.weight.requires_grad_(False)
    layout = layout_of(model)
    assert layout.total == sum(p.numel() for p in model.parameters() if p.requires_grad)
    head = {"embedding = head"} if tied else {"embedding", "head"}
    layers = {f"layer {i} {part}" for i in (0, 1) for part in ("attention", "MLP")}
    assert set(layout.names) == head | layers | {"norms"}
    norms = [size for size, block in zip(layout.sizes, layout.block, strict=True)
             if layout.names[block] == "norms"]  # fmt: skip
    assert norms == [8] * 4  # there are two per layer; the last one is frozen


def test_a_frozen_model_is_refused():
    model = tiny_model().requires_grad_(False)
    with pytest.raises(ValueError, match="without trainable parameters; set requires_grad"):
        layout_of(model)


def test_evaluation_mode_is_restored():
    model = tiny_model().train()
    with evaluation_mode(model):
        assert not model.training
    assert model.training
