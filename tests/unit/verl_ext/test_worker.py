# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The real training worker on the real FSDP2 engine, on one and on two ranks, without Ray.

The gradients before each optimizer step are compared with those of plain transformers in float64, under the
paper's formula in loops over questions; in each of the ways in which a worker may compute.
"""

import functools
import gzip
import json
from types import SimpleNamespace

import pytest
import torch

from hpt.method.routing import RowKind
from tests.helpers.worker_runs import FLOAT16, TOLERANCE, distance, run_ranks, unchanged
from tests.helpers.worker_scenarios import (
    SETUPS,
    Policy,
    log_probs_and_entropy,
    make_adapter,
    make_groups,
    make_model,
    make_step,
    reference,
)

SECONDS = 800  # for the slower of the two worlds; about 30 where the machine is idle


@pytest.fixture(scope="module")
def runs(interpreter, tmp_path_factory) -> SimpleNamespace:
    """Results by (setup, world size, name), each from the first rank, and what they are compared with."""
    folder = tmp_path_factory.mktemp("worker")
    plain, adapted = Policy(make_model(folder)), make_adapter(folder)
    groups = make_groups(make_step(plain.model, 1), make_step(plain.model, 2))
    results = run_ranks(interpreter, folder, groups, SECONDS, {"VERL_PLATFORM": "cpu"})
    scenarios = {
        (group.setup, world, name): scenario
        for world, of_world in groups.items()
        for group in of_world
        for name, scenario in group.scenarios.items()
    }

    @functools.cache
    def expected(adapter: bool, world: int, name: str) -> list[tuple[dict, dict]]:
        """(losses, gradients) per optimizer step. They are the same in all setups without an adapter."""
        scenario = scenarios["padded", world, name]
        steps = [[row for rank in step for row in rank] for step in scenario.steps] * scenario.epochs
        return [reference(adapted if adapter else plain, items, scenario) for items in steps]

    return SimpleNamespace(
        results=results,
        scenarios=scenarios,
        expected=lambda setup, world, name: expected(SETUPS[setup].adapter, world, name),
        policy=lambda setup: adapted if SETUPS[setup].adapter else plain,
        traces=folder / "traces",
    )


def tolerance(setup: str) -> float:
    return TOLERANCE[SETUPS[setup].compute_dtype]


def names(world: int) -> list[str]:
    (frozen,) = (
        group.scenarios
        for group in make_groups([None] * 8, [None] * 8)[world]
        if group.setup == "packed" and not group.learning_rate
    )
    return [name for name, scenario in frozen.items() if not scenario.infer]


every_setup = pytest.mark.parametrize("setup", SETUPS)


@pytest.mark.parametrize(("world", "name"), [(world, name) for world in (1, 2) for name in names(world)])
@every_setup
def test_each_optimizer_step_has_the_gradient_and_losses_of_the_paper(runs, setup, world, name):
    scenario, result = runs.scenarios[setup, world, name], runs.results[setup, world, name]
    steps = runs.expected(setup, world, name)
    assert len(result.gradients) == len(steps)
    near = tolerance(setup)
    for number, (terms, expected) in enumerate(steps):
        norm = sum(float(x.square().sum()) for x in expected.values()) ** 0.5
        assert result.metrics["grad_norm"][number] == pytest.approx(norm, rel=near)
        reported = {
            term: result.metrics[f"hpt/loss_{term}"][number] for term in terms if f"hpt/loss_{term}" in result.metrics
        }
        assert set(reported) == set(terms if scenario.extra_terms else ("rl", "off", "sft"))
        assert reported == pytest.approx({k: terms[k] for k in reported}, rel=near, abs=near / 100)
        total = sum(terms.values())
        assert result.metrics["loss"][number] == pytest.approx(total, rel=near, abs=near / 100)
        if norm == 0:
            assert all((x == 0).all() for x in result.gradients[number].values())
        else:
            assert distance(result.gradients[number], expected) < near


@pytest.mark.parametrize(("world", "name"), [(world, name) for world in (1, 2) for name in names(world)])
def test_packed_and_padded_rows_are_equal_to_the_last_digits(runs, world, name):
    padded, packed = (runs.results[setup, world, name] for setup in ("padded", "packed"))
    assert packed.forwards_by_rank == padded.forwards_by_rank
    for one, other in zip(packed.gradients, padded.gradients, strict=True):
        if packed.metrics["grad_norm"] != [0.0]:
            assert distance(one, other) < 1e-13
    for metric in (key for key in padded.metrics if key.startswith(("hpt/", "loss", "grad_norm"))):
        assert packed.metrics[metric] == pytest.approx(padded.metrics[metric], rel=1e-13, abs=1e-15)


@every_setup
def test_each_setup_computes_as_it_says(runs, setup):
    """Otherwise the comparisons would compare one way of computing with itself."""
    settings, result = SETUPS[setup], runs.results[setup, 1, "4 micro-batches"]
    # Checkpointing computes a layer again for the backward pass.
    assert result.layer_inputs == [f"torch.{settings.compute_dtype}"] * (8 if settings.checkpointing else 4)
    (gradient,) = result.gradients
    assert {x.dtype for x in gradient.values()} == {getattr(torch, settings.dtype)}
    assert all(("lora_" in name) == settings.adapter for name in gradient)
    assert result.packed == [settings.packed] * 4


@every_setup
def test_micro_batches_and_ranks_are_as_many_as_each_scenario_says(runs, setup):
    """Otherwise the comparison above would compare one packing with itself."""

    def forwards(world, name):
        return runs.results[setup, world, name].forwards_by_rank

    assert forwards(1, "1 micro-batch") == [[8]]
    assert forwards(1, "2 micro-batches") == [[4, 4]]
    assert forwards(1, "4 micro-batches") == [[2] * 4]
    assert forwards(1, "8 micro-batches") == [[1] * 8]
    assert forwards(1, "3 equal micro-batches") == [[3, 3, 2]]
    assert forwards(1, "dynamic") == [[8]]
    assert len(forwards(1, "dynamic, small")[0]) > 2
    assert forwards(2, "1 micro-batch") == [[4], [4]]
    assert forwards(2, "2 micro-batches") == [[2, 2], [2, 2]]
    assert forwards(2, "4 micro-batches") == [[1] * 4, [1] * 4]
    assert forwards(2, "all on one rank") == [[4, 4], [1, 1]]
    first, second = forwards(2, "dynamic, small")
    assert len(first) == len(second) > 1


@every_setup
def test_padding_is_not_forwarded(runs, setup):
    def forwards(world, name):
        return runs.results[setup, world, name].forwards_by_rank

    assert forwards(1, "padding") == [[8]]
    assert forwards(1, "padding, fixed") == [[3, 3, 2]]
    assert forwards(2, "padding") == [[4], [4]]
    assert forwards(2, "padding, fixed") == [
        [2, 2, 1],
        [1, 2, 1],
    ]  # the last one: FSDP wants a pass
    assert forwards(2, "two steps") == [[4, 3], [4, 2]]


@pytest.mark.parametrize("name", ["padding", "padding, fixed"])
@every_setup
def test_a_pass_for_log_probabilities_leaves_padding_out_and_answers_for_every_row(runs, setup, name):
    result = runs.results[setup, 1, f"infer, {name}"]
    scenario = runs.scenarios[setup, 1, name]
    assert result.forwards_by_rank == runs.results[setup, 1, name].forwards_by_rank
    (items,) = scenario.steps[0]
    model, near = runs.policy(setup).model, max(1e-5, tolerance(setup))
    assert len(result.log_probs) == len(result.entropy) == len(items)
    for item, log_probs, entropies in zip(items, result.log_probs, result.entropy, strict=True):
        assert len(log_probs) == len(entropies) == len(item.prompt) + len(item.response)
        if item.kind == RowKind.PADDING:
            assert (log_probs == 0).all()
            continue
        with torch.no_grad():
            expected, entropy = log_probs_and_entropy(model, item, 1.0)
        part = slice(len(item.prompt) - 1, -1)  # the position before a token predicts it
        assert torch.allclose(log_probs[part].double(), expected, atol=near)
        assert torch.allclose(entropies[part].double(), entropy, atol=near)


@every_setup
def test_a_rank_whose_only_row_is_padding_still_takes_part(runs, setup):
    result = runs.results[setup, 2, "a rank of padding"]
    assert result.forwards_by_rank == [[1], [1]]
    assert result.metrics["grad_norm"][0] > 0


@every_setup
def test_only_padding_gives_a_gradient_of_zero(runs, setup):
    result = runs.results[setup, 1, "only padding"]
    assert result.forwards_by_rank == [[1]]
    assert result.metrics["grad_norm"] == [0.0]
    assert result.metrics["hpt/loss_rl"] == result.metrics["hpt/loss_sft"] == [0.0]


@pytest.mark.parametrize("name", ["two steps", "two steps, fixed", "two epochs"])
@every_setup
def test_each_of_two_steps_uses_exactly_its_own_rows(runs, setup, name):
    first, second, *again = runs.results[setup, 1, name].gradients
    assert distance(first, runs.results[setup, 1, "1 micro-batch"].gradients[0]) < tolerance(setup)
    assert distance(second, runs.results[setup, 1, "second step alone"].gradients[0]) < tolerance(setup)
    assert distance(first, second) > 0.1
    # Nothing of an earlier step or epoch stays in the gradient.
    for one, other in zip(again, (first, second), strict=False):
        assert distance(one, other) < tolerance(setup)


@every_setup
def test_a_step_above_the_norm_limit_is_skipped_on_both_ranks(runs, setup):
    """The model is sharded: had one rank stepped, the parameters put together would have moved."""
    skipped, taken, step = (
        runs.results[setup, 2, name] for name in ("guard, skipped", "guard, not skipped", "1 micro-batch")
    )
    assert skipped.metrics["grad_norm"] == pytest.approx(step.metrics["grad_norm"], rel=tolerance(setup))
    assert skipped.gradients == []
    assert unchanged(skipped)
    # The next step finds no gradient of the skipped one, and trains as the first would have.
    assert taken.metrics["grad_norm"] == pytest.approx(step.metrics["grad_norm"], rel=tolerance(setup))
    assert distance(taken.gradients[0], step.gradients[0]) < tolerance(setup)
    assert follows_gradient(taken)


def follows_gradient(result: SimpleNamespace) -> bool:
    """Whether plain SGD at the rate of these scenarios, 0.5, made the only step of a call."""
    (gradient,) = result.gradients
    moved = {name: result.parameters[name].double() - result.before[name].double() for name in gradient}
    return distance(moved, {name: -0.5 * x.double() for name, x in gradient.items()}) < 1e-4


def test_a_loss_scale_is_no_part_of_the_norm_that_is_compared_with_the_limit(runs):
    """In float16 verl scales the loss by 65536, so that small gradients do not vanish."""
    skipped, taken, overflow, after = (
        runs.results["float16", 2, name]
        for name in ("guard, skipped", "guard, not skipped", "overflow", "after an overflow")
    )
    step = runs.results["checkpointed", 2, "1 micro-batch"]
    for result in (skipped, taken):
        assert result.metrics["grad_norm"] == pytest.approx(step.metrics["grad_norm"], rel=FLOAT16)
    for result in (skipped, taken, after):
        assert result.layer_inputs == ["torch.float16"] and result.scale == 2.0**16
    assert unchanged(skipped) and not unchanged(taken) and not unchanged(after)
    # verl leaves an infinite gradient out, and halves the scale until there is none.
    assert unchanged(overflow) and overflow.scale == 2.0**39


@pytest.mark.parametrize("name", ["old_log_probs", "ref_log_prob"])
def test_a_field_that_was_promised_and_did_not_arrive_is_named(runs, name):
    """TransferQueue leaves a field out of its answer if one row lacks it."""
    result = runs.results["padded", 2, f"lacks {name}"]
    assert result.error.startswith("RuntimeError") and f"['{name}']" in result.error
    assert result.forwards_by_rank == [[], []]


def test_the_schedule_of_verls_profiler_advances_with_the_optimizer_steps(runs):
    """The profiler idles for one step and keeps the next one."""
    (trace,) = runs.traces.glob("*.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    steps = [event["name"] for event in events if str(event.get("name", "")).startswith("mini_batch")]
    assert steps and set(steps) == {"mini_batch1"}


@every_setup
def test_two_steps_in_one_call_train_as_two_calls(runs, setup):
    together = runs.results[setup, 1, "both steps"]
    apart = [runs.results[setup, 1, name] for name in ("first step", "then second")]
    trained = [{name: x.parameters[name] for name in x.gradients[0]} for x in (together, *apart)]
    assert distance(trained[0], trained[2]) < tolerance(setup)
    assert distance(trained[1], trained[2]) > 1e-3
    # The second gradient is taken after the first step, not before.
    assert distance(together.gradients[1], apart[1].gradients[0]) < tolerance(setup)
    assert distance(together.gradients[1], runs.results[setup, 1, "two steps"].gradients[1]) > 1e-2


def test_an_optimizer_step_without_rows_ages_adamw_as_a_zero_gradient_does(runs):
    """AdamW by its formula, over the paper's gradient and then over zeros."""
    result, scenario = runs.results["AdamW", 1, "then an idle step"], runs.scenarios["AdamW", 1, "then an idle step"]
    _, gradients = reference(runs.policy("padded"), scenario.steps[0][0], scenario)
    rate, beta1, beta2, eps = 0.01, 0.9, 0.999, 1e-8
    for name, gradient in gradients.items():
        moved, mean, square = result.before[name].double(), torch.zeros_like(gradient), torch.zeros_like(gradient)
        for step, g in enumerate((gradient, torch.zeros_like(gradient)), start=1):
            mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g**2
            scaled = mean / (1 - beta1**step) / ((square / (1 - beta2**step)).sqrt() + eps)
            moved = moved - rate * scaled
        large = gradient.abs() > 1e-5  # elsewhere eps and the rounding of the weights decide
        assert torch.allclose(result.parameters[name].double()[large], moved[large], rtol=0, atol=1e-6 * rate)
        after_one = result.before[name].double() - rate * gradient / (gradient.abs() + eps)
        assert (moved - after_one)[large].abs().min() > 0.1 * rate


@every_setup
def test_the_learning_rate_schedule_advances_once_per_call(runs, setup):
    assert len(runs.results[setup, 1, "two epochs"].metrics["grad_norm"]) == 4
    assert len(runs.results[setup, 1, "two epochs"].metrics["lr"]) == 1


@every_setup
def test_the_temperature_of_the_rollouts_changes_their_gradient(runs, setup):
    """So the agreement with the reference above says something about it."""
    hot = runs.results[setup, 1, "temperature"].gradients[0]
    assert distance(hot, runs.results[setup, 1, "1 micro-batch"].gradients[0]) > 0.01


@every_setup
def test_entropy_is_reported_as_a_sum_over_rollout_tokens(runs, setup):
    items = [x for x in runs.scenarios[setup, 1, "entropy and KL"].steps[0][0] if x.kind == 0]
    with torch.no_grad():
        expected = sum(float(log_probs_and_entropy(runs.policy(setup).model, item, 1.0)[1].sum()) for item in items)
    for world, name in ((1, "entropy and KL"), (2, "entropy and KL"), (1, "on policy")):
        metrics = runs.results[setup, world, name].metrics
        assert metrics["hpt/entropy_sum"] == pytest.approx([expected], rel=max(1e-5, tolerance(setup)))
        assert metrics["hpt/entropy_tokens"] == [sum(len(item.response) for item in items)]
