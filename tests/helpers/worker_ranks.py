# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Ranks of the real training worker on the real FSDP2 engine, without Ray.

Run as a script this file is the ranks: each builds the worker and runs the scenarios that a test wrote for it.
"""

import multiprocessing.connection
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

# Beside this file: installed packages have a `tests` of their own.
from worker_scenarios import (
    ENTROPY_COEFF,
    KL_COEF,
    LORA_RANK,
    ROLLOUTS,
    TEMPERATURE,
    Group,
    Scenario,
    Setup,
)

from hpt.method.routing import RowKind
from hpt.verl_ext.cpu.environment import is_selected


def build_worker(folder: Path, setup: Setup, learning_rate: float) -> Any:
    """As ActorRolloutRefWorker.init_model does."""
    from verl.trainer.config import CheckpointConfig
    from verl.utils.profiler.config import ProfilerConfig, TorchProfilerScheduleConfig, TorchProfilerToolConfig
    from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig, TrainingWorkerConfig

    from hpt.verl_ext.worker import HybridTrainingWorker

    adapter = {"lora_rank": LORA_RANK, "lora_adapter_path": str(folder / "adapter")} if setup.adapter else {}
    schedule = TorchProfilerScheduleConfig(wait=1, active=1)
    tool = TorchProfilerToolConfig(contents=["cpu"], schedule=schedule)
    profiler = ProfilerConfig(
        tool="torch", enable=True, all_ranks=True, save_path=str(folder / "traces"), tool_config={"torch": tool}
    )
    worker = HybridTrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=HFModelConfig(
                path=str(folder / "model"),
                load_tokenizer=False,
                use_remove_padding=setup.packed,
                enable_gradient_checkpointing=setup.checkpointing,
                override_config={"attn_implementation": setup.attention},
                **adapter,
            ),
            engine_config=FSDPEngineConfig(
                strategy="fsdp2",
                model_dtype=setup.dtype,
                dtype=setup.dtype,
                mixed_precision={"param_dtype": setup.compute_dtype, "reduce_dtype": setup.dtype},
                use_torch_compile=False,
                ulysses_sequence_parallel_size=setup.sequence_ranks,
            ),
            optimizer_config=FSDPOptimizerConfig(
                optimizer=setup.optimizer,
                lr=learning_rate,
                weight_decay=0.0,
                clip_grad=1e9,
                total_training_steps=10,
            ),
            checkpoint_config=CheckpointConfig(),
            profiler_config=profiler if setup.profiled else None,
        )
    )
    worker.reset()
    return worker


def name_float64() -> None:
    """Let verl's settings name float64, in which what must be equal is equal to the last digits."""
    from verl.utils.torch_dtypes import PrecisionType

    known = PrecisionType.to_dtype
    PrecisionType.to_dtype = staticmethod(lambda name: torch.float64 if name == "float64" else known(name))


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
        "prefix_length": torch.tensor([item.prefix_length for item in items]),
        "mean_score": torch.tensor([item.mean_score for item in items]),
        "on_policy": torch.tensor([int(item.on_policy) for item in items]),
        "temperature": torch.tensor([TEMPERATURE if hot else 1.0 for hot in rollouts]),
    }
    data.update({name: value for name, value in per_row.items() if name in request.fields})
    assert sorted(data.keys()) == sorted(request.fields)
    data = data.exclude(*scenario.lacks)
    for key, value in request.extra_info.items():
        tu.assign_non_tensor_data(data, key, value)
    return data


def full(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a sharded tensor, in main memory."""
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().cpu().clone()


def run_scenario(worker: Any, scenario: Scenario, rank: int, trains: bool) -> dict:
    """Gradients before each optimizer step, rows of each forward pass, and the metrics."""
    from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
    from verl.utils import tensordict_utils as tu

    from hpt.method.estimator.composite import Composite
    from hpt.verl_ext.loss import actor_loss

    engine, gradients, forwards, tokens, packed, layer_inputs = worker.engine, [], [], [], [], []
    worker.set_loss_fn(
        partial(actor_loss, config=actor_config(scenario.extra_terms), composite=Composite(), plugins=())
    )
    worker.engine_config.use_dynamic_bsz = scenario.micro_batch_size is None
    worker.engine_config.micro_batch_size_per_gpu = scenario.micro_batch_size
    worker.engine_config.max_token_len_per_gpu = scenario.tokens
    if scenario.scale is not None:
        assert engine.scaler is not None
        # Of this device: verl's own is for CUDA and does nothing where there is none.
        engine.scaler = ShardedGradScaler(device=worker.device_name, init_scale=scenario.scale)

    def step_and_record():
        gradients.append({name: full(p.grad) for name, p in engine.module.named_parameters() if p.requires_grad})
        return type(engine).optimizer_step(engine)

    layer = next(module for module in engine.module.modules() if type(module).__name__.endswith("DecoderLayer"))

    def record(_module, _arguments, inputs: dict):
        packed.append(inputs["attention_mask"] is None)
        tokens.append(inputs["input_ids"].numel())
        # Packed rows lie in one sequence, whose positions begin at 0 for each.
        forwards.append(int((inputs["position_ids"] == 0).sum()) if packed[-1] else len(inputs["input_ids"]))

    hooks = [
        engine.module.register_forward_pre_hook(record, with_kwargs=True),
        layer.register_forward_pre_hook(lambda _module, inputs: layer_inputs.append(str(inputs[0].dtype))),
    ]
    data = tensor_dict(scenario, rank)
    result = {
        "forwards": forwards,
        "tokens": tokens,
        "packed": packed,
        "layer_inputs": layer_inputs,
        "gradients": gradients,
    }
    result["device"] = next(engine.module.parameters()).device.type
    if trains:
        result["before"] = parameters_of(engine)
    if scenario.infer:
        result |= infer(worker, data, scenario)
    elif scenario.lacks:
        try:
            worker.train_mini_batch(data)
        except Exception as error:
            result["error"] = f"{type(error).__name__}: {error}"
    else:
        engine.optimizer_step = step_and_record
        worker.start_profile()
        output = worker.train_mini_batch(data)
        worker.stop_profile()
        del engine.optimizer_step
        # Of ranks that share rows, one reports.
        reported = tu.get(output, "metrics") if output is not None else {}
        metrics = {name: [float(x) for x in values] for name, values in reported.items()}
        scale = engine.scaler.get_scale() if engine.scaler else None
        result |= {"metrics": metrics, "scale": scale}
    if trains:
        result["parameters"] = parameters_of(engine)
    for hook in hooks:
        hook.remove()
    return result


def parameters_of(engine: Any) -> dict:
    return {name: full(p) for name, p in engine.module.named_parameters()}


def infer(worker: Any, data: Any, scenario: Scenario) -> dict:
    """Log-probabilities and entropies per row, as the trainer's pass for log pi_old asks for them."""
    from verl.utils import tensordict_utils as tu

    worker.engine_config.infer_micro_batch_size_per_gpu = scenario.micro_batch_size
    worker.engine_config.infer_max_token_len_per_gpu = scenario.tokens
    tu.assign_non_tensor(data, calculate_entropy=True, compute_loss=False)
    output = worker.infer_batch(data)
    if output is None:  # ranks that share rows: one reports
        return {}
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
    torch.set_num_threads(1)
    name_float64()
    if is_selected():
        from hpt.verl_ext.cpu import platform as cpu_platform

        cpu_platform.prepare_worker()
    results = {}
    for values in torch.load(folder / f"groups_{world}.pt", weights_only=False):
        group = Group.restored(values)
        worker = build_worker(folder, group.settings, group.learning_rate)
        for name, scenario in group.scenarios.items():
            results[group.setup, name] = run_scenario(worker, scenario, rank, group.learning_rate > 0)
    torch.save(results, folder / f"results_{world}_{rank}.pt")
    torch.distributed.destroy_process_group()


def run_worlds(folder: Path, worlds: list[int]) -> int:
    """Run the ranks of all worlds, and return the exit status.

    A single one runs in this process. Several are forked, so that the imports, most of the time here, are made once;
    an accelerator's runtime would not survive that.
    """
    if worlds == [1]:
        run_rank(folder, 1, 0)
        return 0
    import transformers.models.qwen2.modeling_qwen2  # noqa: F401

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
    running = {process.sentinel: process for process in ranks}
    while running:
        for sentinel in multiprocessing.connection.wait(running):
            process = running.pop(sentinel)
            process.join()  # a process still counts as alive for a moment after its sentinel is ready
            if process.exitcode:
                return 1  # the others would wait for a dead rank
    return 0


if __name__ == "__main__":
    sys.exit(run_worlds(Path(sys.argv[1]), [int(world) for world in sys.argv[2:]]))
