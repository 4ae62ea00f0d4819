# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's vLLM server, with a method that answers a whole batch in one call."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import psutil
import ray
from verl.workers.rollout.vllm_rollout.utils import VLLM_LORA_INT_ID, VLLM_LORA_NAME, VLLM_LORA_PATH
from verl.workers.rollout.vllm_rollout.vllm_async_server import vLLMHttpServer, vLLMReplica
from vllm import SamplingParams
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.exceptions import EngineDeadError

from hpt.verl_ext.logs import own_error
from hpt.verl_ext.sampling import RolloutError, Sample, SampleRequest

# vLLM's reasons for the end of a response; any other, such as abort, is a failure.
FINISHED = ("stop", "length")


class BatchServer(vLLMHttpServer):
    """verl's server; :meth:`generate_batch` is what it adds."""

    async def generate_batch(
        self, requests: Sequence[SampleRequest], sampling: dict[str, Any], stall_timeout: float
    ) -> tuple[list[Sample], int | None]:
        """Generate one continuation per request.

        The engine begins when it has all requests, so which of them share a step does not depend on when they arrive.

        Args:
            requests: in the order in which the engine takes them up.
            sampling: fields of vLLM's SamplingParams that all requests share.
            stall_timeout: seconds without a finished sample after which generation counts as stuck.

        Returns:
            The samples, in the order of the requests, and the version of the weights: the step that made them.

        Raises:
            RolloutError: the engine has died (with its own first error), is stuck, or ended a sample for another reason
                than its end.
        """
        try:
            try:
                streams = await asyncio.wait_for(self._add_all(requests, sampling), stall_timeout)
            except TimeoutError:
                raise self._stuck(len(requests), stall_timeout) from None
            samples = await self._finished(streams, stall_timeout)
        except EngineDeadError as error:
            raise RolloutError(f"the engine of rollout server {self.replica_rank} has died: {own_error()}") from error
        return samples, self.global_steps

    async def _add_all(self, requests: Sequence[SampleRequest], sampling: dict[str, Any]) -> list[Any]:
        lora = await self._lora_request()
        # Engines that share their work agree on when they step; vLLM does not let one of them wait.
        waits = self.config.data_parallel_size == 1
        await self._park_until_admitted("batch")
        try:
            if waits:
                await self.engine.engine_core.pause_scheduler_async(mode="keep", clear_cache=False)
            streams = []
            label = f"{self.replica_rank}-{time.monotonic_ns()}"
            for number, request in enumerate(requests):
                params = SamplingParams(
                    **sampling,
                    max_tokens=request.max_tokens,
                    seed=request.seed,
                    detokenize=bool(sampling.get("stop")),
                    output_kind=RequestOutputKind.FINAL_ONLY,
                )
                prompt = {"type": "token", "prompt_token_ids": request.prompt}
                streams.append(await self.engine.add_request(f"{label}-{number}", prompt, params, lora_request=lora))
        except Exception:
            if waits:
                await self.engine.engine_core.resume_scheduler_async()
            raise
        finally:
            self._admitting -= 1
        # Not in `finally`: where the time is up, the engine hangs, and would not answer this either.
        if waits:
            await self.engine.engine_core.resume_scheduler_async()
        return streams

    async def _finished(self, streams: Sequence[Any], stall_timeout: float) -> list[Sample]:
        finished: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

        async def follow(number: int, stream: Any) -> None:
            try:
                outcome = await stream.get()
            except Exception as error:
                outcome = error
            finished.put_nowait((number, outcome))

        tasks = [asyncio.create_task(follow(number, stream)) for number, stream in enumerate(streams)]
        samples: dict[int, Sample] = {}
        try:
            while len(samples) < len(streams):
                number, outcome = await asyncio.wait_for(finished.get(), stall_timeout)
                if isinstance(outcome, Exception):
                    raise outcome
                samples[number] = self._sample(outcome)
        except TimeoutError:
            raise self._stuck(len(streams) - len(samples), stall_timeout) from None
        finally:
            for task in tasks:
                task.cancel()
        return [samples[number] for number in range(len(streams))]

    def _stuck(self, unfinished: int, stall_timeout: float) -> RolloutError:
        for child in psutil.Process().children(recursive=True):
            child.kill()  # an engine that hangs would outlive the run
        return RolloutError(
            f"rollout server {self.replica_rank} has not finished one of its {unfinished} samples for "
            f"{stall_timeout:g} s (hpt.stall_timeout); {own_error()}"
        )

    def _sample(self, output: Any) -> Sample:
        response = output.outputs[0]
        if response.finish_reason not in FINISHED:
            raise RolloutError(
                f"rollout server {self.replica_rank} ended a sample with {response.finish_reason!r}; expected "
                f"{' or '.join(FINISHED)}"
            )
        tokens = list(response.token_ids)
        log_probs = None
        if response.logprobs is not None:
            log_probs = [of_token[token].logprob for token, of_token in zip(tokens, response.logprobs, strict=True)]
        return Sample(tokens, log_probs)

    async def _lora_request(self) -> LoRARequest | None:
        if not self.lora_as_adapter or VLLM_LORA_INT_ID not in await self.engine.list_loras():
            return None
        return LoRARequest(lora_name=VLLM_LORA_NAME, lora_int_id=VLLM_LORA_INT_ID, lora_path=VLLM_LORA_PATH)


class BatchReplica(vLLMReplica):
    """verl's replica with :class:`BatchServer` as its servers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.server_class = ray.remote(BatchServer)
