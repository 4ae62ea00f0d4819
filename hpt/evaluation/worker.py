# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One vLLM engine in a Ray actor. It gets a few requests at a time, so that one queue serves all engines."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hpt.common.versions import versions


class GenerationError(RuntimeError):
    """Generation cannot go on. Finished samples are on disk."""


class Request(NamedTuple):
    """One sample to generate: prompt token ids and the sample's own seed; ``number`` identifies it."""

    number: int
    prompt: list[int]
    seed: int


class Completion(NamedTuple):
    """A finished response; ``tokens`` is the number of generated ones."""

    number: int
    text: str
    tokens: int
    finish_reason: str


FINISHED = ("stop", "length")
"""vLLM's reasons for the end of a response; any other (such as abort) is a failure."""


class GenerationWorker:
    """The actor. ``log_file`` takes all that it and vLLM print, which would otherwise break the progress bar."""

    def __init__(self, log_file: str) -> None:
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        with open(log_file, "ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)

    def start(self, engine: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Build the engine; returns what the samples depend on besides model and settings.

        Args:
            engine: fields of vLLM's EngineArgs.
            sampling: fields of vLLM's SamplingParams; the seed comes with each request.
        """
        from vllm import EngineArgs, LLMEngine
        from vllm.platforms import current_platform

        self.engine = LLMEngine.from_engine_args(EngineArgs(**engine))
        self.sampling = dict(sampling)
        device = current_platform.get_device_name() or current_platform.device_type
        if current_platform.is_cpu():
            device = f"cpu ({_processor()})"
        return {"device": device, **versions("vllm", "torch", "transformers")}

    def advance(self, requests: Sequence[Request], seconds: float) -> list[Completion]:
        """Take ``requests`` and generate for at least ``seconds``, until something is finished.

        Returns:
            The finished responses; empty only if no request is left.

        Raises:
            RuntimeError: vLLM ended a response for another reason.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        for request in requests:
            params = SamplingParams(**self.sampling, seed=request.seed, output_kind=RequestOutputKind.FINAL_ONLY)
            prompt = {"type": "token", "prompt_token_ids": list(request.prompt)}
            self.engine.add_request(str(request.number), prompt, params)
        finished: list[Completion] = []
        until = time.monotonic() + seconds
        while self.engine.has_unfinished_requests() and not (finished and time.monotonic() >= until):
            for output in self.engine.step():
                if output.finished:
                    finished.append(_completion(output))
        return finished


def _completion(output: Any) -> Completion:
    response = output.outputs[0]
    if response.finish_reason not in FINISHED:
        raise RuntimeError(f"vLLM ended a response with {response.finish_reason!r}; expected {' or '.join(FINISHED)}")
    return Completion(int(output.request_id), response.text, len(response.token_ids), response.finish_reason)


def _processor() -> str:
    """The processor's name. vLLM chooses its kernels by the processor's features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
