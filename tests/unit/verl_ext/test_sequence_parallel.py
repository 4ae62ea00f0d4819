# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Ranks that share the tokens of each row: layout, losses and gradients on the real worker and engine.

Attention across ranks needs flash attention, which needs a GPU. So the model's attention adds nothing here: its output
matrices are 0, and each token depends on itself alone. All else is as in a training: rows are cut over two ranks,
log-probabilities gathered, the loss scaled, gradients reduced.
"""

import pytest
import torch

from tests.helpers.worker_runs import distance, run_ranks
from tests.helpers.worker_scenarios import SETUPS, Group, Scenario, make_model, make_step, padding, replace

pytestmark = pytest.mark.slow

SECONDS = 800
ALONE = SETUPS["packed"]
SHARED = replace(ALONE, sequence_ranks=2)


def scenarios(a, b, ranks: int) -> dict[str, Scenario]:
    """Ranks that share rows get the same ones."""

    def same(items):
        return [items] * ranks

    return {
        "dynamic": Scenario([same(a)]),
        "dynamic, small": Scenario([same(a)], tokens=26 // ranks),  # verl's budget is that of all sharing ranks
        "2 micro-batches": Scenario([same(a)], 4),
        "padding": Scenario([same(a[:3] + padding(2) + a[3:])], 2),
        "only padding": Scenario([same(padding(2))]),
        "entropy and KL": Scenario([same(a)], 2, extra_terms=True),
        "temperature": Scenario([same(a)], 2, per_row_temperature=True),
        "two steps": Scenario([same(a), same(b[:5])]),
        "infer": Scenario([same(a[:3] + padding(1))], 2, infer=True),
    }


NAMES = [name for name in scenarios([], [], 1) if name != "infer"]


@pytest.fixture(scope="module")
def results(interpreter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    model = make_model(folder)
    for name, weight in model.named_parameters():
        if "o_proj" in name:
            torch.nn.init.zeros_(weight)
    model.float().save_pretrained(folder / "model")
    model.double()
    steps = make_step(model, 1), make_step(model, 2)
    groups = {
        1: [Group("alone", ALONE, 0.0, scenarios(*steps, ranks=1))],
        2: [Group("shared", SHARED, 0.0, scenarios(*steps, ranks=2))],
    }
    return run_ranks(interpreter, folder, groups, SECONDS, {"VERL_PLATFORM": "cpu"})


def of_tokens(gradient: dict) -> dict:
    """Without the output matrices of attention, whose gradient is attention's own."""
    return {name: value for name, value in gradient.items() if "o_proj" not in name}


@pytest.mark.parametrize("name", NAMES)
def test_sharing_ranks_have_the_gradients_and_losses_of_one(results, name):
    alone, shared = results["alone", 1, name], results["shared", 2, name]
    assert len(alone.gradients) == len(shared.gradients) > 0
    for one, other in zip(alone.gradients, shared.gradients, strict=True):
        if name == "only padding":
            assert all((value == 0).all() for value in other.values())
        else:
            assert distance(of_tokens(other), of_tokens(one)) < 1e-12
    for metric in (key for key in alone.metrics if key.startswith(("hpt/", "loss"))):
        assert shared.metrics[metric] == pytest.approx(alone.metrics[metric], rel=1e-12, abs=1e-15), metric


@pytest.mark.parametrize("name", ["dynamic", "dynamic, small", "2 micro-batches"])
def test_each_rank_holds_half_of_the_tokens_of_the_same_rows(results, name):
    alone, shared = results["alone", 1, name].tokens, results["shared", 2, name].tokens
    assert shared == [-(-tokens // 2) for tokens in alone]
    assert len(alone) > (name != "dynamic")


def test_sharing_ranks_return_all_log_probabilities(results):
    alone, shared = results["alone", 1, "infer"], results["shared", 2, "infer"]
    for name in ("log_probs", "entropy"):
        for one, other in zip(getattr(alone, name), getattr(shared, name), strict=True):
            assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)
