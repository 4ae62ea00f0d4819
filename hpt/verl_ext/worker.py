# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's actor worker with optimizer steps of any number of rows and no forward pass for padding."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import torch
from tensordict import TensorDict
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.tensor import DTensor
from verl.single_controller.base.decorator import Dispatch, register
from verl.utils import tensordict_utils as tu
from verl.utils.metric import Metric
from verl.utils.py_functional import append_to_dict
from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker

from hpt.method.routing import RowKind, micro_batches
from hpt.verl_ext import logs
from hpt.verl_ext.export import use_adapter_checkpoints
from hpt.verl_ext.sampling import has_our_server
from hpt.verl_ext.weight_sync import own_socket

logger = logging.getLogger(__name__)


class HybridTrainingWorker(TrainingWorker):
    """A training worker whose mini-batches are given by the driver.

    verl cuts a batch into mini-batches of a fixed number of rows. After the gate the number of rows
    of an optimizer step varies while its number of questions does not, so the driver says how many
    rows of each step this rank holds (``step_rows``), one after the other. Padding that makes the
    ranks' counts equal is left out of every forward pass.
    """

    def __init__(self, config: Any):
        super().__init__(config)
        logs.show()
        self.engine.forward_step = partial(forward_without_padding, self.engine.forward_step)

    @register(dispatch_mode=Dispatch.ONE_TO_ALL)
    def reset(self) -> None:
        """verl's; builds the engine, whose checkpoints hold a model with adapters in its merged form, too."""
        super().reset()
        use_adapter_checkpoints(self.engine)

    def train_mini_batch(self, data: TensorDict) -> TensorDict | None:
        """Make one optimizer step per entry of ``step_rows`` and epoch; step the learning rate schedule once.

        Args:
            data: rows of all steps, in the order of the steps, with non-tensor entries ``fields`` (names of the
                fields that the rows have), ``step_rows`` (rows of this rank per step, equal on all ranks),
                ``epochs`` and ``skip_grad_norm`` (None or the norm above which a step is skipped).

        Returns:
            verl's metrics, one value per optimizer step in each list.

        Raises:
            RuntimeError: a field is missing. TransferQueue leaves one out where any row lacks it.
        """
        if missing := sorted(set(tu.pop(data, key="fields")) - set(data.keys())):
            raise RuntimeError(
                f"got {len(data)} rows without {missing}; at least one of them lacks these fields, so TransferQueue "
                "left them out for all: expected every row of an update to have them, write them for all rows"
            )
        step_rows = tu.pop(data, key="step_rows")
        epochs = tu.pop(data, key="epochs", default=1)
        skip_grad_norm = tu.pop(data, key="skip_grad_norm", default=None)
        disable_auto_offload = tu.pop(data, key="disable_auto_offload", default=False)
        if isinstance(data.get("temperature", None), torch.Tensor):
            data["temperature"] = data["temperature"].reshape(-1)  # some storages answer (bs, 1)
        metrics: dict = {}
        with self.engine.train_mode(disable_auto_offload=disable_auto_offload):
            for epoch in range(epochs):
                start = 0
                for step, rows in enumerate(step_rows):
                    batch = tu.index_select_tensor_dict(data, list(range(start, start + rows)))
                    start += rows
                    number = epoch * len(step_rows) + step
                    last = number == epochs * len(step_rows) - 1
                    named = torch.profiler.record_function(f"mini_batch{number}")  # as verl names it in a trace
                    with named, guarded(self.engine, skip_grad_norm):
                        output = self._optimizer_step(batch, update_lr_scheduler=last)
                    self.profiler.step()
                    if output is not None:
                        append_to_dict(metrics, output)
        if not self.engine.is_mp_src_rank_with_outputs():
            return None
        return tu.get_tensordict(tensor_dict={}, non_tensor_dict={"metrics": metrics}).cpu()

    def _optimizer_step(self, batch: TensorDict, update_lr_scheduler: bool) -> dict | None:
        tu.assign_non_tensor(
            batch,
            global_token_num=tu.NonTensorData(self._tokens_of_all_ranks(batch)),
            update_lr_scheduler=update_lr_scheduler,
            disable_auto_offload=True,
        )
        if not self.engine_config.use_dynamic_bsz:
            _, size = micro_batches(len(batch), self.engine_config.micro_batch_size_per_gpu)
            tu.assign_non_tensor(batch, micro_batch_size_per_gpu=size)
        output = self.train_batch(batch)
        if output is None:
            return None
        return {name: _over_ranks(value) for name, value in tu.get(output, "metrics").items()}

    def _tokens_of_all_ranks(self, batch: TensorDict) -> list[int]:
        """Return sequence lengths in tokens, for verl's throughput counter."""
        group = self.engine.get_data_parallel_group()
        lengths = [None] * torch.distributed.get_world_size(group)
        torch.distributed.all_gather_object(lengths, batch["input_ids"].offsets().diff().tolist(), group)
        return list(chain.from_iterable(lengths))  # type: ignore[arg-type]


@contextlib.contextmanager
def guarded(engine: Any, limit: float | None) -> Iterator[None]:
    """Skip optimizer steps whose gradient norm before clipping exceeds ``limit`` (None: never).

    The norm is over all ranks, so that they skip alike; the parameters and the optimizer's state stay
    as they are. A norm that is not finite is left to verl, which skips the step and, in float16, lowers its loss scale.
    """
    if limit is None:
        yield
        return
    step = engine.optimizer_step

    def optimizer_step() -> float:
        # verl takes the loss scale out of the gradients in its own step, which may happen once only.
        norm = gradient_norm(engine.module) / (engine.scaler.get_scale() if engine.scaler else 1.0)
        if not limit < norm < math.inf:
            return step()
        logger.warning(
            "gradient norm %.4g exceeds hpt.skip_grad_norm=%g: the optimizer step is skipped",
            norm,
            limit,
        )
        engine.optimizer.zero_grad()
        return norm

    engine.optimizer_step = optimizer_step
    try:
        yield
    finally:
        engine.optimizer_step = step


def gradient_norm(module: torch.nn.Module) -> float:
    """Return the L2 norm of the gradient over all ranks."""
    if isinstance(module, FullyShardedDataParallel):
        return float(module.clip_grad_norm_(float("inf")))
    norm = torch.nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def forward_without_padding(
    forward_step: Callable, micro_batch: TensorDict, loss_function: Any, forward_only: bool
) -> tuple[torch.Tensor, dict]:
    """Run the engine's forward step on the micro-batch's real rows.

    A micro-batch of nothing but padding keeps one row of two tokens: FSDP's collectives need a
    forward pass of every rank. The answer of a forward-only pass has an entry for every row again,
    with zeros for padding.

    Args:
        forward_step: the engine's own.
        micro_batch: rows with ``row_kind``.
    """
    is_padding = (micro_batch["row_kind"].reshape(-1) == RowKind.PADDING).tolist()
    real = [row for row, padding in enumerate(is_padding) if not padding] or [0]
    if len(real) == len(is_padding):
        return forward_step(micro_batch, loss_function=loss_function, forward_only=forward_only)
    loss, output = forward_step(
        tu.index_select_tensor_dict(micro_batch, real),
        loss_function=loss_function,
        forward_only=forward_only,
    )
    if forward_only:  # an update has no use for the model's output
        lengths = micro_batch["input_ids"].offsets().diff().tolist()
        output["model_output"] = {
            name: _with_zero_rows(values, real, lengths) for name, values in output["model_output"].items()
        }
    return loss, output


def _with_zero_rows(values: torch.Tensor, real: list[int], lengths: list[int]) -> torch.Tensor:
    """Spread nested (rows, tokens) values of the ``real`` rows over all rows of the micro-batch."""
    computed = values.unbind()
    rows = [computed[0].new_zeros(length) for length in lengths]
    for row, of_row in zip(real, computed, strict=True):
        rows[row] = of_row
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def _over_ranks(value):
    """Merge one metric gathered from all ranks."""
    if not isinstance(value, list):
        return value
    return Metric.aggregate_dp(value) if isinstance(value[0], Metric) else list(chain.from_iterable(value))


class HybridActorRolloutRefWorker(ActorRolloutRefWorker):
    """verl's hybrid worker with :class:`HybridTrainingWorker` as its actor and reference."""

    actor_worker_cls = HybridTrainingWorker
    ref_worker_cls = HybridTrainingWorker

    @register(dispatch_mode=Dispatch.ONE_TO_ALL)
    def init_model(self) -> None:
        """verl's; weights go through a socket of this run's own, which :class:`BatchServer` names alike."""
        super().init_model()
        if "rollout" in self.role and has_our_server(self.config.rollout):
            self.rollout.zmq_handle = own_socket(self.rollout.zmq_handle)
