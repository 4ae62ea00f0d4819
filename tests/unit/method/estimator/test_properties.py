# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for any batch: log-probabilities down to -50, ratios beyond e^20, any ragged mask."""

import itertools
import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from torch.nn.functional import pad

from hpt.method.estimator.advantage import group_advantages
from hpt.method.proof.check import Batch, coefficient_deviation, loss_deviation, random_inputs, settings
from hpt.method.proof.witnesses import PUBLISHED_LOSSES, group_advantage
from hpt.upge import ALGORITHMS, token_coefficient, token_surrogate
from hpt.verl_ext.witnesses import VERL_WITNESS

pytestmark = pytest.mark.slow

F64 = torch.float64
CASES = [(name, params) for name in ALGORITHMS for params in settings(name)]
thorough = profile(max_examples=30, deadline=None, derandomize=True)
GARBAGE = st.sampled_from([math.nan, math.inf, -math.inf, 1e38])


@st.composite
def batches(draw, per_token: bool = False) -> Batch:
    """Up to 3 rows of up to 4 tokens; rows may be empty, masks have holes."""
    rows, tokens = draw(st.integers(1, 3)), draw(st.integers(1, 4))

    def matrix(element, columns=tokens, dtype=F64):
        values = st.lists(element, min_size=rows * columns, max_size=rows * columns)
        return torch.tensor(draw(values), dtype=dtype).view(rows, columns)

    # Witnesses form 1 - p and 1 - r, which lose digits as p and r near 1; at 1 itself they are exact.
    log_prob = matrix(st.floats(-50, -1e-6) | st.just(0.0))
    thousandths = st.integers(-22_000, 22_000) | st.integers(-500, 500)
    log_ratio = matrix(thousandths.map(lambda number: number / 1000))
    # Of a size that training has: autograd halves it at a tie, and half of 5e-324 is 0.
    advantage = st.integers(-3000, 3000).map(lambda thousandths: thousandths / 1000)
    advantages = matrix(advantage, tokens if per_token else 1)
    mask = matrix(st.booleans(), dtype=torch.bool)
    # A probability is at most 1.
    old_log_prob = (log_prob - log_ratio).clamp(max=0)
    return Batch(log_prob, old_log_prob, advantages.expand(rows, tokens), mask)


def off_the_edges(batch: Batch) -> bool:
    """No ratio sits where a clamp begins: there the gradient jumps, and rounding decides the side."""
    log_ratio = batch.log_prob - batch.old_log_prob
    length = batch.response_mask.sum(-1).clamp(min=1)
    log_s = (log_ratio * batch.response_mask).sum(-1) / length
    token_edge, sequence_edge = (log_ratio.abs() - 20).abs(), (log_s - 10).abs()
    return min(token_edge.min().item(), sequence_edge.min().item()) > 1e-9


@pytest.mark.parametrize("per_token", [False, True])
@given(data=st.data())
@thorough
def test_the_coefficient_the_published_loss_and_verl_agree_with_the_gradient(per_token, data):
    batch = data.draw(batches(per_token))
    assume(off_the_edges(batch))
    for name, chosen in CASES:
        params = chosen | random_inputs(name, batch, 0)
        deviations = [coefficient_deviation(name, batch, params)]
        # GSPO's published loss is one of sequences, which have one advantage.
        if not (name == "gspo" and per_token):
            deviations.append(loss_deviation(name, batch, params, PUBLISHED_LOSSES[name]))
        if name in VERL_WITNESS.losses:
            deviations.append(loss_deviation(name, batch, params, VERL_WITNESS.losses[name]))
        assert max(deviations) <= 1e-9, (name, chosen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@given(batch=batches(per_token=True), garbage=st.tuples(GARBAGE, GARBAGE, GARBAGE, GARBAGE))
@thorough
def test_everything_is_finite_whatever_stands_outside_the_mask(dtype, batch, garbage):
    *values, mask = batch
    log_prob, *rest = (x.to(dtype).masked_fill(~mask, stray) for x, stray in zip(values, garbage, strict=False))
    for name, chosen in CASES:
        leaf = log_prob.clone().requires_grad_()
        others = random_inputs(name, batch, 0)
        params = chosen | {key: x.to(dtype).masked_fill(~mask, garbage[-1]) for key, x in others.items()}
        surrogate = token_surrogate(name, leaf, *rest, mask, **params)
        surrogate.sum().backward()
        coefficient = token_coefficient(name, leaf, *rest, mask, **params)
        for result in (surrogate, leaf.grad, coefficient):
            assert result.dtype == dtype, (name, chosen)
            assert torch.isfinite(result).all(), (name, chosen)
            assert (result[~mask] == 0).all(), (name, chosen)


@given(batch=batches(per_token=True), garbage=GARBAGE)
@thorough
def test_padding_on_the_right_changes_nothing(batch, garbage):
    """Also for GSPO and iw-SFT, whose ratios are means over the row."""
    padded = [pad(x, (0, 2), value=garbage) for x in batch[:3]]
    mask = pad(batch.response_mask, (0, 2), value=False)
    for function, name in itertools.product((token_surrogate, token_coefficient), ALGORITHMS):
        others = random_inputs(name, batch, 0)
        expected = pad(function(name, *batch, **others), (0, 2))
        wider = {key: pad(values, (0, 2), value=garbage) for key, values in others.items()}
        torch.testing.assert_close(function(name, *padded, mask, **wider), expected, rtol=1e-13, atol=0)


SCORED = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), min_size=1, max_size=10)


@given(rows=SCORED, normalize=st.booleans())
@thorough
def test_group_advantages_equal_a_loop_and_verl(rows, normalize):
    labels, scores = [label for label, _ in rows], torch.tensor([s for _, s in rows], dtype=F64)
    ours = group_advantages(scores, labels, normalize=normalize)
    loop = group_advantage(scores, labels, normalize=normalize)
    torch.testing.assert_close(ours, loop, rtol=1e-9, atol=1e-9)
    # verl rounds 1 + epsilon of a group of one to float32.
    verls = VERL_WITNESS.advantage(scores, labels, normalize=normalize)
    torch.testing.assert_close(ours, verls, rtol=1e-7, atol=1e-9)
