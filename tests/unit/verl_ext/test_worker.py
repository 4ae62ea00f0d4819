# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The real training worker on the real FSDP2 engine, on one and on two ranks, without Ray.

Run as a script this file is the ranks: each builds the worker and runs the scenarios that the tests
wrote for it. The tests compare the gradients before each optimizer step with those of plain
transformers in float64, under the paper's formula in loops over questions.
"""

import multiprocessing.connection
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hpt.method.routing import RowKind

VOCAB, N, ROLLOUTS, L_MAX, LAMBDA = 13, 4, 3, 8, 0.7
ENTROPY_COEFF, KL_COEF, TEMPERATURE = 0.05, 0.2, 0.6
SECONDS = 150  # for the slower of the two worlds; about 20 where the machine is idle


@dataclass
class Item:
    """A training row: token ids and what the driver decided about it."""

    kind: RowKind
    question: int
    prompt: list[int]
    response: list[int]
    rl_weight: float = 0.0
    sft_weight: float = 0.0
    advantage: float = 0.0
    old_log_probs: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    ref_log_prob: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    on_policy: bool = False


@dataclass
class Scenario:
    """One call of train_mini_batch.

    Attributes:
        steps: rows per optimizer step, per rank.
        micro_batch_size: rows; None is dynamic batch size with ``tokens`` as its budget.
    """

    steps: list[list[list[Item]]]
    micro_batch_size: int | None = None
    tokens: int = 4096
    per_row_temperature: bool = False
    extra_terms: bool = False
    old_log_probs: bool = True
    epochs: int = 1
    skip_grad_norm: float | None = None
    infer: bool = False  # a forward pass for log-probabilities instead of the update

    def unpickled(self) -> "Scenario":
        """The scenario with its rows, from what ``dataclasses.asdict`` made of it."""
        steps = [[[Item(**row) for row in rank] for rank in step] for step in self.steps]
        return replace(self, steps=steps)


# ---- one rank ----


def build_worker(folder: Path, learning_rate: float) -> Any:
    """As ActorRolloutRefWorker.init_model does; plain SGD, so that a learning rate of 0 changes nothing."""
    from verl.trainer.config import CheckpointConfig
    from verl.workers.config import (
        FSDPEngineConfig,
        FSDPOptimizerConfig,
        HFModelConfig,
        TrainingWorkerConfig,
    )

    from hpt.verl_ext.worker import HybridTrainingWorker

    worker = HybridTrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=HFModelConfig(
                path=str(folder / "model"),
                load_tokenizer=False,
                use_remove_padding=False,
                enable_gradient_checkpointing=False,
                override_config={"attn_implementation": "sdpa"},
            ),
            engine_config=FSDPEngineConfig(
                strategy="fsdp2",
                model_dtype="fp32",
                dtype="float32",
                mixed_precision={"param_dtype": "fp32"},
                use_torch_compile=False,
            ),
            optimizer_config=FSDPOptimizerConfig(
                optimizer="SGD",
                lr=learning_rate,
                weight_decay=0.0,
                clip_grad=1e9,
                total_training_steps=10,
            ),
            checkpoint_config=CheckpointConfig(),
        )
    )
    worker.reset()
    return worker


def actor_config(extra_terms: bool) -> Any:
    from verl.workers.config import ActorConfig, PolicyLossConfig

    return ActorConfig(
        strategy="fsdp2",
        rollout_n=ROLLOUTS,
        ppo_micro_batch_size_per_gpu=1,
        policy_loss=PolicyLossConfig(loss_mode="hpt"),
        entropy_coeff=ENTROPY_COEFF if extra_terms else 0.0,
        use_kl_loss=extra_terms,
        kl_loss_coef=KL_COEF,
        kl_loss_type="k3",
    )


def tensor_dict(scenario: Scenario, rank: int) -> Any:
    """This rank's rows as verl's bridge makes them of TransferQueue's rows and the request."""
    from transfer_queue import KVBatchMeta
    from verl.utils import tensordict_utils as tu
    from verl.utils.tensordict_utils import list_of_dict_to_tensordict

    from hpt.verl_ext import rows as row_io

    items = [item for step in scenario.steps for item in step[rank]]
    info = {
        "step_rows": [len(step[rank]) for step in scenario.steps],
        "epochs": scenario.epochs,
        "skip_grad_norm": scenario.skip_grad_norm,
        "calculate_entropy": scenario.extra_terms or not scenario.old_log_probs,
    }
    request = row_io.for_update(
        KVBatchMeta(
            keys=[str(number) for number in range(len(items))],
            tags=[{} for _ in items],
            partition_id="train",
        ),
        info,
        TEMPERATURE if scenario.per_row_temperature else 1.0,
        ["old_log_probs", "on_policy"] * scenario.old_log_probs + ["ref_log_prob"] * scenario.extra_terms,
    )
    fields = []
    for item in items:
        padding = item.kind == RowKind.PADDING
        row = row_io.sequence_fields(torch.tensor(item.prompt), torch.tensor(item.response), score=0.0, masked=padding)
        length = len(item.response)
        row["advantages"] = torch.full((length,), item.advantage)
        for name in ("old_log_probs", "ref_log_prob"):
            # Only rollouts have them; the rows of a batch have the same fields.
            values = getattr(item, name)
            row[name] = values.float() if len(values) else torch.zeros(length)
        fields.append({name: row[name] for name in row if name in request.fields})
    data = list_of_dict_to_tensordict(fields)
    # Nested also where all rows have one length, as they come out of the storage.
    for name in list(data.keys()):
        if not data[name].is_nested:
            data[name] = torch.nested.as_nested_tensor(list(data[name]), layout=torch.jagged)
    rollouts = [item.kind == RowKind.ROLLOUT for item in items]
    per_row = {
        "row_kind": torch.tensor([int(item.kind) for item in items]),
        "rl_weight": torch.tensor([item.rl_weight for item in items]),
        "sft_weight": torch.tensor([item.sft_weight for item in items]),
        "on_policy": torch.tensor([int(item.on_policy) for item in items]),
        "temperature": torch.tensor([TEMPERATURE if hot else 1.0 for hot in rollouts]),
    }
    data.update({name: value for name, value in per_row.items() if name in request.fields})
    assert sorted(data.keys()) == sorted(request.fields)
    for key, value in request.extra_info.items():
        tu.assign_non_tensor_data(data, key, value)
    return data


def full(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().clone()


def run_scenario(worker: Any, scenario: Scenario, rank: int) -> dict:
    """Gradients before each optimizer step, rows of each forward pass, and the metrics."""
    from verl.utils import tensordict_utils as tu

    from hpt.method.estimator.composite import Composite
    from hpt.verl_ext.loss import actor_loss

    engine, gradients, forwards = worker.engine, [], []
    worker.set_loss_fn(
        partial(actor_loss, config=actor_config(scenario.extra_terms), composite=Composite(), plugins=())
    )
    worker.engine_config.use_dynamic_bsz = scenario.micro_batch_size is None
    worker.engine_config.micro_batch_size_per_gpu = scenario.micro_batch_size
    worker.engine_config.max_token_len_per_gpu = scenario.tokens

    def step_and_record():
        gradients.append({name: full(p.grad) for name, p in engine.module.named_parameters()})
        return type(engine).optimizer_step(engine)

    hook = engine.module.register_forward_pre_hook(
        lambda _module, _args, kwargs: forwards.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    data = tensor_dict(scenario, rank)
    if scenario.infer:
        output = infer(worker, data, scenario)
        hook.remove()
        return {"forwards": forwards, **output}
    engine.optimizer_step = step_and_record
    output = worker.train_mini_batch(data)
    del engine.optimizer_step
    hook.remove()
    parameters = {name: full(p) for name, p in engine.module.named_parameters()}
    metrics = {name: [float(x) for x in values] for name, values in tu.get(output, "metrics").items()}
    return {
        "gradients": gradients,
        "forwards": forwards,
        "metrics": metrics,
        "parameters": parameters,
    }


def infer(worker: Any, data: Any, scenario: Scenario) -> dict:
    """Log-probabilities and entropies per row, as the trainer's pass for log pi_old asks for them."""
    from verl.utils import tensordict_utils as tu

    worker.engine_config.infer_micro_batch_size_per_gpu = scenario.micro_batch_size
    worker.engine_config.infer_max_token_len_per_gpu = scenario.tokens
    tu.assign_non_tensor(data, calculate_entropy=True, compute_loss=False)
    output = worker.infer_batch(data)
    return {name: [row.clone() for row in output[name].unbind()] for name in ("log_probs", "entropy")}


def run_rank(folder: Path, world: int, rank: int) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",  # verl wants one; the ranks meet at the file, which is theirs alone
        "DIST_INIT_METHOD": f"file://{folder}/rendezvous_{world}",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    from hpt.verl_ext.cpu import platform as cpu_platform

    torch.set_num_threads(1)
    cpu_platform.prepare_worker()
    groups = torch.load(folder / f"scenarios_{world}.pt", weights_only=False)
    results = {}
    for learning_rate, scenarios in groups:
        worker = build_worker(folder, learning_rate)
        for name, values in scenarios.items():
            results[name] = run_scenario(worker, Scenario(**values).unpickled(), rank)
    torch.save(results, folder / f"results_{world}_{rank}.pt")
    torch.distributed.destroy_process_group()


def run_worlds(folder: Path, worlds: list[int]) -> int:
    """Fork the ranks of all worlds, so that verl's imports, most of the time here, are made once."""
    import hpt.verl_ext.loss
    import hpt.verl_ext.rows
    import hpt.verl_ext.worker  # noqa: F401

    context = multiprocessing.get_context("fork")
    ranks = [
        context.Process(target=run_rank, args=(folder, world, rank), daemon=True)
        for world in worlds
        for rank in range(world)
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons end with a regular exit
    for process in ranks:
        process.start()
    while any(process.is_alive() for process in ranks):
        multiprocessing.connection.wait([process.sentinel for process in ranks if process.is_alive()])
        if any(process.exitcode for process in ranks):
            return 1  # the others would wait for a dead rank
    return max(abs(process.exitcode) for process in ranks)


# ---- the second implementation: plain transformers, float64, loops over questions ----


def log_probs_and_entropy(model: Any, item: Item, temperature: float) -> tuple:
    tokens = torch.tensor([item.prompt + item.response])
    logits = model(tokens).logits[0, len(item.prompt) - 1 : -1].double() / temperature
    logs = logits.log_softmax(-1)
    chosen = logs.gather(-1, tokens[0, len(item.prompt) :].unsqueeze(-1)).squeeze(-1)
    return chosen, -(logs.exp() * logs).sum(-1)


def reference(model: Any, items: list[Item], scenario: Scenario) -> tuple[dict, dict]:
    """(loss per term, gradient per parameter) of one optimizer step over N questions."""
    terms = {name: torch.zeros((), dtype=torch.float64) for name in ("rl", "off", "sft", "entropy", "kl")}
    for item in items:
        hot = scenario.per_row_temperature and item.kind == RowKind.ROLLOUT
        log_prob, entropy = log_probs_and_entropy(model, item, TEMPERATURE if hot else 1.0)
        if item.kind == RowKind.DEMONSTRATION:
            terms["sft"] = terms["sft"] - LAMBDA / (N * len(item.response)) * log_prob.sum()
        if item.kind == RowKind.ROLLOUT:
            weight = 1 / (N * ROLLOUTS * L_MAX)
            measured = scenario.old_log_probs and not item.on_policy
            old = item.old_log_probs if measured else log_prob.detach()
            ratio = torch.exp(log_prob - old)
            terms["rl"] = terms["rl"] - weight * (item.advantage * ratio).sum()
            if scenario.extra_terms:
                gap = item.ref_log_prob - log_prob
                terms["entropy"] = terms["entropy"] - ENTROPY_COEFF * weight * entropy.sum()
                terms["kl"] = terms["kl"] + KL_COEF * weight * (gap.exp() - gap - 1).sum()
    model.zero_grad()
    loss = sum(terms.values())
    if loss.requires_grad:
        loss.backward()
    gradients = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
    }
    return {name: float(value.detach()) for name, value in terms.items()}, gradients


# ---- scenarios ----


def make_model(folder: Path) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCAB,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=32,
            tie_word_embeddings=False,
            initializer_range=0.1,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    model.save_pretrained(folder / "model")
    return model.double().eval()


def make_step(model: Any, seed: int) -> list[Item]:
    """N questions: two on RL with n rollouts each, two on their gold solution; 8 rows."""
    random = torch.Generator().manual_seed(seed)

    def tokens(low: int, high: int) -> list[int]:
        length = int(torch.randint(low, high + 1, (), generator=random))
        return torch.randint(1, VOCAB, (length,), generator=random).tolist()

    items = []
    for question, solved in enumerate([2, 0, 1, 0]):
        prompt = tokens(2, 5)
        if not solved:
            solution = tokens(2, L_MAX)
            weight = LAMBDA / (N * len(solution))
            items.append(Item(RowKind.DEMONSTRATION, question, prompt, solution, 0.0, weight, 1.0))
            continue
        for rollout in range(ROLLOUTS):
            item = Item(RowKind.ROLLOUT, question, prompt, tokens(1, L_MAX))
            item.rl_weight = 1 / (N * ROLLOUTS * L_MAX)
            item.advantage = float(rollout < solved) - solved / ROLLOUTS
            with torch.no_grad():
                now, _ = log_probs_and_entropy(model, item, 1.0)
            for name in ("old_log_probs", "ref_log_prob"):
                noise = torch.randn(len(now), generator=random, dtype=torch.float64)
                # Rounded as they travel, so that both implementations read the same numbers.
                setattr(item, name, (now + 0.3 * noise).float().double())
            items.append(item)
    return items


def padding(count: int) -> list[Item]:
    return [Item(RowKind.PADDING, -1, [1], [1]) for _ in range(count)]


def split(items: list[Item]) -> list[list[Item]]:
    return [items[::2], items[1::2]]


def on_policy(items: list[Item]) -> list[Item]:
    """The rows with a log pi_old that must not be read, because theirs is log pi_theta."""
    return [item and replace(item, on_policy=True) for item in items]


def make_scenarios(a: list[Item], b: list[Item]) -> dict[int, list[tuple[float, dict]]]:
    """World size -> (learning rate, scenarios by name) per worker that is built."""
    one = {
        "1 micro-batch": Scenario([[a]], 8),
        "2 micro-batches": Scenario([[a]], 4),
        "4 micro-batches": Scenario([[a]], 2),
        "8 micro-batches": Scenario([[a]], 1),
        "3 equal micro-batches": Scenario([[a + padding(1)]], 4),  # 9 rows: 3 of 3, not 4 + 4 + 1
        "reversed": Scenario([[a[::-1]]], 2),
        "dynamic": Scenario([[a]]),
        "dynamic, small": Scenario([[a]], tokens=26),
        "padding": Scenario([[a[:3] + padding(2) + a[3:]]]),
        "padding, fixed": Scenario([[a[:3] + padding(2) + a[3:] + padding(2)]], 4),
        "only padding": Scenario([[padding(2)]]),
        "temperature": Scenario([[a]], 4, per_row_temperature=True),
        "temperature, dynamic": Scenario([[a]], tokens=26, per_row_temperature=True),
        "entropy and KL": Scenario([[a + padding(1)]], 3, extra_terms=True),
        "on policy": Scenario([[a]], 4, old_log_probs=False),
        "two steps": Scenario([[a], [b[:5] + padding(1)]]),
        "first step on policy": Scenario([[on_policy(a)], [b[:5] + padding(1)]]),
        "second step alone": Scenario([[b[:5]]]),
        "two steps, fixed": Scenario([[a], [b[:5]]], 5),
        "two epochs": Scenario([[a], [b[:5]]], epochs=2),
    }
    inference = {f"infer, {name}": replace(one[name], infer=True) for name in ("padding", "padding, fixed")}
    two = {
        "1 micro-batch": Scenario([split(a)], 4),
        "2 micro-batches": Scenario([split(a)], 2),
        "4 micro-batches": Scenario([split(a)], 1),
        "all on one rank": Scenario([[a, padding(8)]], 4),
        "dynamic": Scenario([split(a)]),
        "dynamic, small": Scenario([split(a)], tokens=26),
        "padding": Scenario([[a[:4] + padding(1), padding(1) + a[4:]]]),
        "padding, fixed": Scenario([[a[:5] + padding(1), padding(1) + a[5:] + padding(2)]], 2),
        "a rank of padding": Scenario([[a[:1], padding(1)]]),
        "a rank of demonstrations": Scenario([[a[:1], a[3:4]]]),
        "temperature": Scenario([split(a)], 2, per_row_temperature=True),
        "entropy and KL": Scenario([split(a)], 2, extra_terms=True),
        "on policy": Scenario([split(a)], 2, old_log_probs=False),
        "two steps": Scenario([split(a), split(b[:5] + padding(1))]),
        "first step on policy": Scenario([split(on_policy(a)), split(b[:5] + padding(1))]),
    }
    return {
        1: [
            (0.0, one),
            (0.1, inference),
            (0.5, {"both steps": Scenario([[a], [b[:5]]])}),
            (0.5, {"first step": Scenario([[a]]), "then second": Scenario([[b[:5]]])}),
        ],
        2: [
            (0.0, two),
            (
                0.5,
                {
                    "guard, skipped": Scenario([split(a)], skip_grad_norm=1e-6),
                    "guard, not skipped": Scenario([split(a)], skip_grad_norm=1e6),
                },
            ),
        ],
    }


@pytest.fixture(scope="module")
def runs(interpreter, tmp_path_factory) -> SimpleNamespace:
    """Results by (world size, name), each from the first rank, and what they are compared with."""
    folder = tmp_path_factory.mktemp("worker")
    model = make_model(folder)
    scenarios = make_scenarios(make_step(model, 1), make_step(model, 2))
    for world, groups in scenarios.items():
        plain = [(rate, {name: asdict(scenario) for name, scenario in group.items()}) for rate, group in groups]
        torch.save(plain, folder / f"scenarios_{world}.pt")
    command = [interpreter, __file__, str(folder), *map(str, scenarios)]
    environment = {**os.environ, "VERL_PLATFORM": "cpu", "OMP_NUM_THREADS": "1"}
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as launcher,
    ):
        try:
            status = launcher.wait(SECONDS)
        except subprocess.TimeoutExpired:
            launcher.terminate()  # takes its ranks along
            status = f"no end after {SECONDS} s"
    if status != 0:
        pytest.fail(f"{status}\n{log.read_text()[-6000:]}")
    results, specified = {}, {}
    for world, groups in scenarios.items():
        ranks = [torch.load(folder / f"results_{world}_{rank}.pt", weights_only=False) for rank in range(world)]
        for _, group in groups:
            for name, scenario in group.items():
                specified[world, name] = scenario
                results[world, name] = SimpleNamespace(
                    **ranks[0][name], forwards_by_rank=[rank[name]["forwards"] for rank in ranks]
                )
    return SimpleNamespace(results=results, scenarios=specified, model=model)


# ---- the tests ----

TOLERANCE = 1e-6  # relative to the gradient's norm; the engine computes in float32


def distance(got: dict, expected: dict) -> float:
    """Norm of the difference of two gradients, relative to the second."""
    assert got.keys() == expected.keys()
    difference = sum(float((got[k].double() - expected[k].double()).square().sum()) for k in got)
    return (difference / sum(float(x.double().square().sum()) for x in expected.values())) ** 0.5


def names(world: int) -> list[str]:
    groups = make_scenarios([None] * 8, [None] * 8)[world]
    return [name for rate, group in groups if rate == 0.0 for name in group]


@pytest.mark.parametrize(("world", "name"), [(world, name) for world in (1, 2) for name in names(world)])
def test_each_optimizer_step_has_the_gradient_and_losses_of_the_paper(runs, world, name):
    scenario, result = runs.scenarios[world, name], runs.results[world, name]
    steps = [[row for rank in step for row in rank] for step in scenario.steps] * scenario.epochs
    assert len(result.gradients) == len(steps)
    for number, items in enumerate(steps):
        terms, expected = reference(runs.model, items, scenario)
        norm = sum(float(x.square().sum()) for x in expected.values()) ** 0.5
        assert result.metrics["grad_norm"][number] == pytest.approx(norm, rel=1e-5)
        reported = {
            term: result.metrics[f"hpt/loss_{term}"][number] for term in terms if f"hpt/loss_{term}" in result.metrics
        }
        assert set(reported) == set(terms if scenario.extra_terms else ("rl", "off", "sft"))
        assert reported == pytest.approx({k: terms[k] for k in reported}, rel=1e-5, abs=1e-7)
        total = sum(terms.values())
        assert result.metrics["loss"][number] == pytest.approx(total, rel=1e-5, abs=1e-7)
        if norm == 0:
            assert all((x == 0).all() for x in result.gradients[number].values())
        else:
            assert distance(result.gradients[number], expected) < TOLERANCE


def test_micro_batches_and_ranks_are_as_many_as_each_scenario_says(runs):
    """Otherwise the comparison above would compare one packing with itself."""

    def forwards(world, name):
        return runs.results[world, name].forwards_by_rank

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


def test_padding_is_not_forwarded(runs):
    def forwards(world, name):
        return runs.results[world, name].forwards_by_rank

    assert forwards(1, "padding") == [[8]]
    assert forwards(1, "padding, fixed") == [[3, 3, 2]]
    assert forwards(2, "padding") == [[4], [4]]
    assert forwards(2, "padding, fixed") == [
        [2, 2, 1],
        [1, 2, 1],
    ]  # the last one: FSDP wants a pass
    assert forwards(2, "two steps") == [[4, 3], [4, 2]]


@pytest.mark.parametrize("name", ["padding", "padding, fixed"])
def test_a_pass_for_log_probabilities_leaves_padding_out_and_answers_for_every_row(runs, name):
    result = runs.results[1, f"infer, {name}"]
    scenario = runs.scenarios[1, name]
    assert result.forwards_by_rank == runs.results[1, name].forwards_by_rank
    (items,) = scenario.steps[0]
    assert len(result.log_probs) == len(result.entropy) == len(items)
    for item, log_probs, entropies in zip(items, result.log_probs, result.entropy, strict=True):
        assert len(log_probs) == len(entropies) == len(item.prompt) + len(item.response)
        if item.kind == RowKind.PADDING:
            assert (log_probs == 0).all()
            continue
        with torch.no_grad():
            expected, entropy = log_probs_and_entropy(runs.model, item, 1.0)
        part = slice(len(item.prompt) - 1, -1)  # the position before a token predicts it
        assert torch.allclose(log_probs[part].double(), expected, atol=1e-5)
        assert torch.allclose(entropies[part].double(), entropy, atol=1e-5)


def test_a_rank_whose_only_row_is_padding_still_takes_part(runs):
    result = runs.results[2, "a rank of padding"]
    assert result.forwards_by_rank == [[1], [1]]
    assert result.metrics["grad_norm"][0] > 0


def test_only_padding_gives_a_gradient_of_zero(runs):
    result = runs.results[1, "only padding"]
    assert result.forwards_by_rank == [[1]]
    assert result.metrics["grad_norm"] == [0.0]
    assert result.metrics["hpt/loss_rl"] == result.metrics["hpt/loss_sft"] == [0.0]


@pytest.mark.parametrize("name", ["two steps", "two steps, fixed", "two epochs"])
def test_each_of_two_steps_uses_exactly_its_own_rows(runs, name):
    first, second, *again = runs.results[1, name].gradients
    assert distance(first, runs.results[1, "1 micro-batch"].gradients[0]) < TOLERANCE
    assert distance(second, runs.results[1, "second step alone"].gradients[0]) < TOLERANCE
    assert distance(first, second) > 0.1
    # Nothing of an earlier step or epoch stays in the gradient.
    for one, other in zip(again, (first, second), strict=False):
        assert distance(one, other) < TOLERANCE


def test_a_step_above_the_norm_limit_is_skipped_on_both_ranks(runs):
    """The model is sharded: had one rank stepped, the parameters put together would have moved."""
    skipped = runs.results[2, "guard, skipped"]
    start = {name: x.detach() for name, x in runs.model.named_parameters()}
    assert skipped.metrics["grad_norm"][0] > 1e-6
    assert {name: torch.equal(x.double(), start[name]) for name, x in skipped.parameters.items()} == {
        name: True for name in start
    }
    # The next step finds no gradient of the skipped one, and trains as the first would have.
    taken = runs.results[2, "guard, not skipped"]
    norm = runs.results[2, "1 micro-batch"].metrics["grad_norm"][0]
    assert taken.metrics["grad_norm"][0] == pytest.approx(norm, rel=1e-5)
    moved = {name: x.double() - start[name] for name, x in taken.parameters.items()}
    expected = {name: -0.5 * g.double() for name, g in runs.results[2, "1 micro-batch"].gradients[0].items()}
    assert distance(moved, expected) < 1e-4


def test_two_steps_in_one_call_train_as_two_calls(runs):
    together = runs.results[1, "both steps"]
    apart = [runs.results[1, name] for name in ("first step", "then second")]
    assert distance(together.parameters, apart[1].parameters) < TOLERANCE
    assert distance(apart[0].parameters, apart[1].parameters) > 1e-3
    # The second gradient is taken after the first step, not before.
    assert distance(together.gradients[1], apart[1].gradients[0]) < TOLERANCE
    assert distance(together.gradients[1], runs.results[1, "two steps"].gradients[1]) > 1e-2


def test_the_learning_rate_schedule_advances_once_per_call(runs):
    assert len(runs.results[1, "two epochs"].metrics["grad_norm"]) == 4
    assert len(runs.results[1, "two epochs"].metrics["lr"]) == 1


def test_the_temperature_of_the_rollouts_changes_their_gradient(runs):
    """So the agreement with the reference above says something about it."""
    hot = runs.results[1, "temperature"].gradients[0]
    assert distance(hot, runs.results[1, "1 micro-batch"].gradients[0]) > 0.01


def test_entropy_is_reported_as_a_sum_over_rollout_tokens(runs):
    items = [x for x in runs.scenarios[1, "entropy and KL"].steps[0][0] if x.kind == 0]
    with torch.no_grad():
        expected = sum(float(log_probs_and_entropy(runs.model, item, 1.0)[1].sum()) for item in items)
    for world, name in ((1, "entropy and KL"), (2, "entropy and KL"), (1, "on policy")):
        metrics = runs.results[world, name].metrics
        assert metrics["hpt/entropy_sum"] == pytest.approx([expected], rel=1e-5)
        assert metrics["hpt/entropy_tokens"] == [sum(len(item.response) for item in items)]


if __name__ == "__main__":
    sys.exit(run_worlds(Path(sys.argv[1]), [int(world) for world in sys.argv[2:]]))
