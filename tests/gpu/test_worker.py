# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The training worker on one device, against the same worker in float64 on the CPU."""

import sys

import pytest
import torch

from tests.helpers.worker_runs import TOLERANCE, distance, run_ranks, unchanged
from tests.helpers.worker_scenarios import (
    Group,
    Policy,
    Scenario,
    Setup,
    make_model,
    make_step,
    one_rank,
    reference,
)

pytestmark = pytest.mark.timeout(400)

SECONDS = 300
SETUPS = {
    "float32": Setup(packed=True),
    "bfloat16": Setup(packed=True, compute_dtype="bfloat16", checkpointing=True),
    "float16": Setup(packed=True, compute_dtype="float16"),
}
FLASH = Setup(packed=True, compute_dtype="bfloat16", checkpointing=True, attention="flash_attention_2")
NEAR = TOLERANCE | {"float32": 1e-5}  # the device adds up in another order
NAMES = [name for name, scenario in one_rank([None] * 8, [None] * 8)[0].items() if not scenario.infer]
ON_CPU = {"VERL_PLATFORM": "cpu", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    """The model of the second implementation, and two optimizer steps' rows."""
    policy = Policy(make_model(tmp_path_factory.mktemp("policy")))
    return policy, make_step(policy.model, 1), make_step(policy.model, 2)


def run(folder, groups, variables) -> dict:
    make_model(folder)
    return run_ranks(sys.executable, folder, {1: groups}, SECONDS, variables)


@pytest.fixture(scope="module")
def expected(batches, tmp_path_factory) -> dict:
    """Results of the CPU by scenario."""
    frozen, _ = one_rank(*batches[1:])
    double = Setup(packed=True, dtype="float64", compute_dtype="float64")
    results = run(tmp_path_factory.mktemp("cpu"), [Group("expected", double, 0.0, frozen)], ON_CPU)
    return {name: results["expected", 1, name] for name in frozen}


@pytest.fixture(scope="module")
def runs(batches, environment, tmp_path_factory) -> dict:
    """Results of the device by setup and scenario."""
    policy, a, b = batches
    frozen, _ = one_rank(a, b)
    _, gradient = reference(policy, a, Scenario([[a]]))
    norm = sum(float(x.square().sum()) for x in gradient.values()) ** 0.5
    groups = []
    for name, setup in SETUPS.items():
        scale = 2.0**16 if setup.compute_dtype == "float16" else None
        guards = {
            "guard, skipped": Scenario([[a]], skip_grad_norm=0.9 * norm, scale=scale),
            "guard, not skipped": Scenario([[a]], skip_grad_norm=1.1 * norm),
        }
        groups += [Group(name, setup, 0.0, frozen), Group(name, setup, 0.5, guards)]
    return run(tmp_path_factory.mktemp("device"), groups, environment)


def compare(result, expected, near: float) -> None:
    """Gradients, losses and our metrics."""
    assert result.forwards_by_rank == expected.forwards_by_rank
    for got, wanted in zip(result.gradients, expected.gradients, strict=True):
        if expected.metrics["grad_norm"] == [0.0]:
            assert all((x == 0).all() for x in got.values())
        else:
            assert distance(got, wanted) < near
    names = [name for name in expected.metrics if name.startswith(("hpt/", "loss", "grad_norm"))]
    assert set(names) == {name for name in result.metrics if name.startswith(("hpt/", "loss", "grad_norm"))}
    for name in names:
        assert result.metrics[name] == pytest.approx(expected.metrics[name], rel=near, abs=near / 100), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setup", [name for name in SETUPS if name != "float16"])
def test_gradients_losses_and_metrics_are_those_of_the_cpu(runs, expected, device, setup, name):
    result, settings = runs[setup, 1, name], SETUPS[setup]
    assert result.device == device
    assert set(result.layer_inputs) == {f"torch.{settings.compute_dtype}"}
    compare(result, expected[name], NEAR[settings.compute_dtype])


@pytest.mark.parametrize("name", ["infer, padding", "infer, padding, fixed"])
@pytest.mark.parametrize("setup", [name for name in SETUPS if name != "float16"])
def test_log_probabilities_and_entropies_are_those_of_the_cpu(runs, expected, setup, name):
    near = NEAR[SETUPS[setup].compute_dtype]
    for field in ("log_probs", "entropy"):
        rows = zip(getattr(runs[setup, 1, name], field), getattr(expected[name], field), strict=True)
        # The last position of a row predicts nothing.
        assert all(torch.allclose(got[:-1].cpu().double(), wanted[:-1], atol=near) for got, wanted in rows)


@pytest.mark.parametrize("setup", SETUPS)
def test_a_step_is_skipped_exactly_where_its_norm_exceeds_the_limit(runs, setup):
    skipped, taken = (runs[setup, 1, name] for name in ("guard, skipped", "guard, not skipped"))
    assert unchanged(skipped) and skipped.gradients == []
    assert not unchanged(taken)
    assert taken.metrics["grad_norm"] == pytest.approx(skipped.metrics["grad_norm"], rel=1e-6)


def test_flash_attention_agrees_with_sdpa(batches, environment, device, expected, tmp_path):
    if device != "cuda":
        pytest.skip("flash_attn computes on CUDA only")
    pytest.importorskip("flash_attn", reason="flash_attn is not installed; it comes with the extra 'gpu'")
    frozen, _ = one_rank(*batches[1:])
    results = run(tmp_path, [Group("flash", FLASH, 0.0, frozen)], environment)
    for name in NAMES:
        compare(results["flash", 1, name], expected[name], NEAR["bfloat16"])
