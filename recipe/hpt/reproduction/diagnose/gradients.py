# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of a causal language model as weighted sums of its tokens' log-probabilities.

Any entry of ``ALGORITHMS`` is such a sum: its gradient per token is
coefficient * grad pi_theta = (coefficient * pi_theta) * grad log pi_theta. So the model runs forward once per batch of
rows, and backward once per set of weights.

Shapes: (bs, T) rows by response tokens, P parameters.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch

from hpt.common.errors import ConfigError
from hpt.method.estimator.surrogate import token_surrogate
from recipe.hpt.reproduction.diagnose.statistics import DTYPE, Layout

PARALLEL_TOLERANCE = 1e-9
"""Weights that agree this closely up to a factor have gradients that agree as closely. A float32 model rounds more."""
_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.(.+)")
_NORM = re.compile(r"norm|(?:^|\.)ln_")


def block_name(parameter: str, tied: bool = False) -> str:
    """The block a parameter belongs to: `embedding`, `layer 0 attention`, `layer 0 MLP`, `norms`, ...

    Args:
        parameter: its name in ``named_parameters``.
        tied: whether the embedding is the output layer, too.
    """
    if _NORM.search(parameter):
        return "norms"
    if layer := _LAYER.search(parameter):
        number, rest = layer[1], layer[2]
        if "attn" in rest or "attention" in rest:
            return f"layer {number} attention"
        return f"layer {number} MLP" if re.search(r"mlp|ffn|feed_forward|expert|fc", rest) else "other"
    if re.search(r"lm_head|embed_out|output", parameter):
        return "head"
    if re.search(r"embed|wte|wpe", parameter):
        return "embedding = head" if tied else "embedding"
    return "other"


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters with a gradient, in the order of the flat vectors."""
    return [each for each in model.parameters() if each.requires_grad]


def layout_of(model) -> Layout:
    """The blocks of a model's trainable parameters.

    Raises:
        ConfigError: the model has none.
    """
    outputs = model.get_output_embeddings()
    tied = outputs is not None and outputs.weight is model.get_input_embeddings().weight
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise ConfigError("got a model without trainable parameters; set requires_grad on some")
    blocks = [block_name(name, tied) for name, _ in named]
    names = tuple(dict.fromkeys(blocks))
    index = tuple(names.index(block) for block in blocks)
    return Layout(tuple(p.numel() for _, p in named), index, names, named[0][1].device)


@contextlib.contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Turn off dropout, which would turn one policy into two."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def response_log_probs(
    model, prompt: Sequence[int], responses: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """log pi_theta of each response token at temperature 1, in nats.

    All rows share the prompt, so padding is on the right only. No scored token attends to it there.

    Args:
        model: a Hugging Face causal language model.
        prompt: token ids, at least one.
        responses: bs rows of at least one token id each.

    Returns:
        Log-probabilities (bs, T) in float32 or more, with gradient if it is enabled; and the mask (bs, T), true on
        response tokens.
    """
    longest = max(len(row) for row in responses)
    ids = torch.zeros(len(responses), len(prompt) + longest, dtype=torch.long)
    attended = torch.zeros_like(ids)
    for i, row in enumerate(responses):
        ids[i, : len(prompt) + len(row)] = torch.tensor([*prompt, *row])
        attended[i, : len(prompt) + len(row)] = 1
    ids, attended = ids.to(model.device), attended.to(model.device)
    logits = model(input_ids=ids, attention_mask=attended, use_cache=False).logits
    # The logits at a position predict the next token.
    logits = logits[:, len(prompt) - 1 : -1]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_probs = logits.log_softmax(-1).gather(-1, ids[:, len(prompt) :, None]).squeeze(-1)
    return log_probs, attended[:, len(prompt) :].bool()


def token_weights(
    name: str,
    log_prob: torch.Tensor,
    old_log_prob: torch.Tensor,
    advantages: torch.Tensor,
    response_mask: torch.Tensor,
    **params,
) -> torch.Tensor:
    """coefficient * pi_theta per token, the factor of grad log pi_theta in an entry's ascent direction.

    It is (bs, T), computed in float64, and zero outside the mask. Arguments and errors are those of
    ``token_surrogate``.
    """
    leaf = log_prob.detach().to(DTYPE).requires_grad_()
    surrogate = token_surrogate(name, leaf, old_log_prob, advantages, response_mask, **params)
    return -torch.autograd.grad(surrogate.sum(), leaf)[0]


class RowGradients:
    """Gradients of weighted log-probabilities of one batch of rows, with one forward pass on first use.

    A call with weights parallel to earlier ones reuses their backward pass. On-policy, all entries with group-relative
    advantages differ by a factor only. Memory holds the activations of the rows, and P numbers in the model's dtype
    per set of weights that is not parallel to another.
    """

    def __init__(self, model, prompt: Sequence[int], responses: Sequence[Sequence[int]]):
        self._model, self._prompt, self._responses = model, prompt, responses
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []

    @cached_property
    def _forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        return response_log_probs(self._model, self._prompt, self._responses)

    @property
    def log_prob(self) -> torch.Tensor:
        """Log-probabilities (bs, T), with gradient."""
        return self._forward[0]

    @property
    def mask(self) -> torch.Tensor:
        """The mask (bs, T), true on response tokens."""
        return self._forward[1]

    def gradient(self, weights: torch.Tensor) -> torch.Tensor:
        """sum_t weights_t * grad log pi_theta(t), flat (P,) in float64.

        Args:
            weights: (bs, T), zero outside the mask.
        """
        largest = weights.flatten()[weights.abs().argmax()]
        unit = weights / largest if largest != 0 else weights
        for known, gradient in self._known:
            if torch.allclose(unit, known, rtol=0, atol=PARALLEL_TOLERANCE):
                return largest * gradient.to(DTYPE)
        gradient = self._backward(unit)
        self._known.append((unit, gradient))
        return largest * gradient.to(DTYPE)

    def _backward(self, weights: torch.Tensor) -> torch.Tensor:
        parameters = trainable(self._model)
        found = torch.autograd.grad(
            self.log_prob,
            parameters,
            grad_outputs=weights.to(self.log_prob.dtype),
            retain_graph=True,
            allow_unused=True,
        )
        pairs = zip(found, parameters, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])
