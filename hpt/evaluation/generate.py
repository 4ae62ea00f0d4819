# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One queue of requests for all engines. An engine takes more when it has finished some, and may die."""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from tqdm import tqdm

from hpt.evaluation.worker import Completion, GenerationError, Request

# Seconds for which an engine generates between two looks at the queue; finished responses wait as long for the disk.
SLICE_S = 0.25
# Seconds between two looks at verdicts and other work.
POLL_S = 0.2


@dataclass
class Engine:
    """An actor and the requests it is working on."""

    actor: Any
    log: Path
    in_hand: dict[int, Request] = field(default_factory=dict)
    started: bool = False


class Dispatch:
    """Hand requests to engines and their results to ``on_completion``.

    Args:
        engines: actors that have not started; each gets ``start_arguments`` first.
        requests: in the order in which they are taken up.
        concurrency: responses that an engine generates at a time.
        on_start: called with an engine's description of itself.
        on_completion: called in this thread, in the order of arrival.
        on_idle: called several times a second.
    """

    def __init__(
        self,
        engines: Iterable[Engine],
        requests: Iterable[Request],
        concurrency: int,
        start_arguments: tuple[Any, ...],
        on_start: Callable[[dict[str, Any]], None],
        on_completion: Callable[[Completion], None],
        on_idle: Callable[[], None],
    ) -> None:
        self.queue = deque(requests)
        self.engines = list(engines)
        # A few more than it generates, so that it does not run dry between two looks at the queue.
        self.capacity = concurrency + max(1, concurrency // 4)
        self.on_start, self.on_completion, self.on_idle = on_start, on_completion, on_idle
        self.calls = {engine.actor.start.remote(*start_arguments): engine for engine in self.engines}

    def run(self) -> None:
        """Work until every request is finished.

        Raises:
            GenerationError: an engine raises at its start, or none is left.
        """
        while self.queue or any(engine.in_hand for engine in self.engines):
            ready, _ = ray.wait(list(self.calls), num_returns=1, timeout=POLL_S)
            for call in ready:
                self._answer(call, self.calls.pop(call))
            self._feed()
            self.on_idle()

    def _answer(self, call: Any, engine: Engine) -> None:
        try:
            answer = ray.get(call)
        except (RayActorError, RayTaskError) as error:
            self._lost(engine, error)
            return
        if not engine.started:
            engine.started = True
            self.on_start(answer)
            return
        for completion in answer:
            del engine.in_hand[completion.number]
            self.on_completion(completion)

    def _feed(self) -> None:
        """Give every engine that waits for requests its share of the queue."""
        busy = {id(engine) for engine in self.calls.values()}
        for engine in self.engines:
            if id(engine) in busy:
                continue
            new = [self.queue.popleft() for _ in range(self._room(engine))]
            engine.in_hand.update({request.number: request for request in new})
            if engine.in_hand:
                self.calls[engine.actor.advance.remote(new, SLICE_S)] = engine

    def _room(self, engine: Engine) -> int:
        """How many requests an engine may take. It gets no more than an equal share, so that no engine idles."""
        unfinished = len(self.queue) + sum(len(each.in_hand) for each in self.engines)
        share = -(-unfinished // len(self.engines))
        return max(0, min(len(self.queue), min(self.capacity, share) - len(engine.in_hand)))

    def _lost(self, engine: Engine, error: Exception) -> None:
        reason = f"{_reason(error)}; its output: {engine.log}"
        # What an engine raises at its start, it raises everywhere: a setting or the model is at fault. A process that
        # died is a loss like any later one.
        if not engine.started and (isinstance(error, RayTaskError) or len(self.engines) == 1):
            raise GenerationError(f"an engine could not be started: {reason}") from error
        self.engines.remove(engine)
        ray.kill(engine.actor)  # an actor that raised is still alive, in an unknown state
        self.queue.extendleft(reversed(engine.in_hand.values()))
        if not self.engines:
            raise GenerationError(f"the last engine has died: {reason}") from error
        tqdm.write(
            f"warning: an engine has died ({reason}); the {len(self.engines)} others take over its "
            f"{len(engine.in_hand)} requests",
            file=sys.stderr,
        )


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1] if lines else 'no message'}"
