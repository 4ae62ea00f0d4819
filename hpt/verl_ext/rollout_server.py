# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's vLLM server, with a method that answers a whole batch in one call and one that reports a failed engine."""

import asyncio
import os
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
from hpt.verl_ext.weight_sync import JOB_ENV, run_id

# vLLM's reasons for the end of a response; any other, such as abort, is a failure.
FINISHED = ("stop", "length")
WATCH_S = 0.5
"""Seconds between two looks at the engine."""


class BatchServer(vLLMHttpServer):
    """verl's server; :meth:`generate_batch` and :meth:`failure` are what it adds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        os.environ[JOB_ENV] = run_id()
        self._refused: Exception | None = None

    async def collective_rpc(self, *args: Any, **kwargs: Any) -> None:
        """verl's call of a method of the engine's workers, such as the one that takes weights."""
        try:
            await super().collective_rpc(*args, **kwargs)
        except Exception as error:
            self._refused = error
            raise

    async def failure(self) -> None:
        """Wait until the engine has failed; it never returns.

        Raises:
            RolloutError: the engine has died, or its workers have raised.
        """
        while not self.engine.errored and self._refused is None:
            await asyncio.sleep(WATCH_S)
        raise self._failed("has died" if self.engine.errored else f"has raised {self._refused}") from self._refused

    def kill_engine(self) -> None:
        """Kill the engine's processes: one that hangs would outlive the run."""
        for child in psutil.Process().children(recursive=True):
            child.kill()

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
        # A call that a dying engine was asked to answer is never answered: nothing but a look at the engine tells.
        generation = asyncio.create_task(self._generate(requests, sampling, stall_timeout))
        failure = asyncio.create_task(self.failure())
        try:
            await asyncio.wait([generation, failure], return_when=asyncio.FIRST_COMPLETED)
            if not generation.done():
                failure.result()  # raises
            return generation.result(), self.global_steps
        except EngineDeadError as error:
            raise self._failed("has died") from error
        finally:
            generation.cancel()
            failure.cancel()

    async def _generate(
        self, requests: Sequence[SampleRequest], sampling: dict[str, Any], stall_timeout: float
    ) -> list[Sample]:
        try:
            streams = await asyncio.wait_for(self._add_all(requests, sampling), stall_timeout)
        except TimeoutError:
            raise self._stuck(len(requests), stall_timeout) from None
        return await self._finished(streams, stall_timeout)

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
        self.kill_engine()
        return RolloutError(
            f"rollout server {self.replica_rank} has not finished one of its {unfinished} samples for "
            f"{stall_timeout:g} s (hpt.stall_timeout); {own_error()}"
        )

    def _failed(self, how: str) -> RolloutError:
        return RolloutError(f"the engine of rollout server {self.replica_rank} {how}: {own_error()}")

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
        return Sample(tokens, log_probs, truncated=response.finish_reason == "length")

    async def _lora_request(self) -> LoRARequest | None:
        if not self.lora_as_adapter or VLLM_LORA_INT_ID not in await self.engine.list_loras():
            return None
        return LoRARequest(lora_name=VLLM_LORA_NAME, lora_int_id=VLLM_LORA_INT_ID, lora_path=VLLM_LORA_PATH)


class BatchReplica(vLLMReplica):
    """verl's replica with :class:`BatchServer` as its servers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.server_class = ray.remote(BatchServer)
