# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Verify many responses in worker processes. One that exceeds a limit of time or memory is ended and replaced."""

import asyncio
import atexit
import concurrent.futures
import logging
import math
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from hpt.verifier.judge import examine
from hpt.verifier.kinds import Judge, check_kind
from hpt.verifier.verdict import Verdict
from hpt.verifier.workers import EXIT_MEMORY, WorkerContext, compare, prepare_worker

logger = logging.getLogger(__name__)

DEFAULT_WORKERS = 2
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_MEMORY_MB = 1024
# With less, even benign comparisons of a user's own function may fail.
MIN_MEMORY_MB = 64
# For the interpreter and the imports of the first worker, on a machine that starts a whole training at the same time.
STARTUP_TIMEOUT_S = 180.0
# Ending a worker and forking its successor takes well under a second. A busy machine may need longer.
REPLACEMENT_ALLOWANCE_S = 5.0
# If a worker dies between two tasks (the kernel short of memory), pebble's whole pool breaks. The waiting tasks did not
# cause that, so a new pool takes them, at most this often.
MAX_ATTEMPTS = 3
# The caches of a user's own function may grow.
MAX_TASKS_PER_WORKER = 1000


@dataclass(frozen=True)
class _Job:
    """A comparison in the workers' queue. Its caller waits ``patience_s`` at most, queue included."""

    compared: tuple[str, str, Judge | None]
    pool: ProcessPool
    future: "Future[Verdict]"
    patience_s: float
    attempt: int

    @property
    def extracted(self) -> str | None:
        """The extracted answer; None if a registered function finds it."""
        text, _, own = self.compared
        return text if own is None else None


class VerifierPool:
    """Worker processes for comparisons, as a context manager. Any thread may call any method.

    Args:
        workers: processes, at least 1; they start with the first comparison that needs one.
        timeout_s: seconds for one comparison, from the moment a ready worker takes it up.
        memory_mb: MiB that comparisons may use in a worker, besides its imports (about a hundred); Linux only.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self, workers: int = DEFAULT_WORKERS, timeout_s: float = DEFAULT_TIMEOUT_S, memory_mb: int = DEFAULT_MEMORY_MB
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        if not 0 < timeout_s < math.inf:
            raise ValueError(f"timeout_s must be a positive number of seconds, got {timeout_s}")
        if memory_mb < MIN_MEMORY_MB:
            raise ValueError(f"memory_mb must be at least {MIN_MEMORY_MB}, got {memory_mb}")
        self.workers = workers
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self._lock = threading.RLock()
        self._context: WorkerContext | None = None
        self._pool: ProcessPool | None = None
        self._waiting: set[Future[Verdict]] = set()
        self._closed = False

    def __enter__(self) -> "VerifierPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the workers and wait until one of them works. Repeated calls do nothing."""
        with self._lock:
            if self._closed:
                raise RuntimeError("This VerifierPool is closed; make a new one")
            if self._pool is not None:
                return
            self._context = WorkerContext()
            pool = self._new_pool()
            trial = pool.schedule(compare, args=("1/2", r"\frac{1}{2}"))
            try:
                verdict = trial.result(timeout=STARTUP_TIMEOUT_S)
            except Exception as error:
                self._discard(pool)
                raise RuntimeError(
                    f"The verifier's worker processes do not work ({type(error).__name__}: {error}); what they "
                    "printed on standard error says why"
                ) from error
            assert verdict.score == 1.0
            # Set only now: other threads use a pool that they find here without waiting for the lock.
            self._pool = pool

    def close(self) -> None:
        """End the workers. Callers that still wait for a verdict get a RuntimeError."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            self._cancel_waiting()
            if pool is not None:
                self._discard(pool)
            if self._context is not None:
                self._context.stop()
                self._context = None

    def verify(self, response: str, answer: str, kind: str = "math") -> Verdict:
        """Verify one response against its gold answer."""
        return self.verify_many([(response, answer, kind)])[0]

    def verify_many(self, items: Iterable[tuple[str, str, str]]) -> list[Verdict]:
        """Verify (response, gold answer, kind) triples; returns verdicts in the order of the input."""
        items = list(items)
        for *_, kind in items:  # before any starts
            check_kind(kind)
        begun = [self._begin(*item) for item in items]
        return [self._wait(each) for each in begun]

    def compare_many(self, items: Iterable[tuple[str, str, Judge | None]]) -> Iterator[Verdict]:
        """Compare (extracted answer, gold answer, None) by what they say, or by the function in third place.

        All comparisons start at once. The verdicts come in the order of the input.
        """
        begun = [self._schedule(item) for item in items]
        return (self._wait(each) for each in begun)

    async def verify_async(self, response: str, answer: str, kind: str = "math") -> Verdict:
        """Verify one response against its gold answer without blocking the event loop."""
        step = examine(response, answer, kind)
        if isinstance(step, Verdict):
            return step
        if self._pool is None:
            await asyncio.to_thread(self.start)  # takes a second or more
        job = self._schedule(step)
        while True:
            settled = asyncio.wrap_future(job.future)
            # The event loop reports exceptions that were never retrieved. _conclude retrieves the original's.
            settled.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait([settled], timeout=job.patience_s)
            outcome = self._conclude(job)
            if isinstance(outcome, Verdict):
                return outcome
            job = await asyncio.to_thread(self._reschedule, job)

    def _begin(self, response: str, answer: str, kind: str) -> "Verdict | _Job":
        step = examine(response, answer, kind)
        return step if isinstance(step, Verdict) else self._schedule(step)

    def _wait(self, step: "Verdict | _Job") -> Verdict:
        while not isinstance(step, Verdict):
            # concurrent.futures.wait does not serve, because pebble's cancel does not wake it.
            done = threading.Event()
            step.future.add_done_callback(lambda _, done=done: done.set())  # type: ignore[misc]
            done.wait(step.patience_s)
            step = self._conclude(step) or self._reschedule(step)
        return step

    def _schedule(self, compared: tuple[str, str, Judge | None], attempt: int = 1) -> _Job:
        with self._lock:
            self.start()
            assert self._pool is not None
            try:
                future = self._submit(compared)
            except RuntimeError:  # broken since the last call
                self._replace(self._pool)
                future = self._submit(compared)
            self._waiting.add(future)
            future.add_done_callback(self._waiting.discard)
            rounds = math.ceil(len(self._waiting) / self.workers)
            patience_s = STARTUP_TIMEOUT_S + rounds * (self.timeout_s + REPLACEMENT_ALLOWANCE_S)
            return _Job(compared, self._pool, future, patience_s, attempt)

    def _submit(self, compared: tuple[str, str, Judge | None]) -> "Future[Verdict]":
        assert self._pool is not None
        return self._pool.schedule(compare, args=compared, timeout=self.timeout_s)

    def _conclude(self, job: _Job) -> Verdict | None:
        """The verdict of a job after waiting for it; None if it has to be scheduled again."""
        lost = not job.future.done() or job.future.cancelled()
        error = None if lost else job.future.exception()
        if not lost and error is None:
            return job.future.result()
        if isinstance(error, concurrent.futures.TimeoutError):
            return Verdict("timeout", job.extracted)
        if isinstance(error, ProcessExpired) and error.exitcode == EXIT_MEMORY:
            return Verdict("memory", job.extracted)
        if self._closed:
            raise RuntimeError("The VerifierPool was closed while a verdict was awaited")
        if lost or isinstance(error, BrokenProcessPool):
            logger.warning("verifier workers lost (%s), attempt %d", error or "no answer", job.attempt)
            return None if job.attempt < MAX_ATTEMPTS else Verdict("crashed", job.extracted)
        if not isinstance(error, ProcessExpired):
            logger.warning("verifying %.200r raised", job.compared[0], exc_info=error)
        return Verdict("crashed", job.extracted)

    def _reschedule(self, job: _Job) -> _Job:
        with self._lock:
            if self._pool is job.pool:
                self._replace(job.pool)
            return self._schedule(job.compared, job.attempt + 1)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.workers,
            max_tasks=MAX_TASKS_PER_WORKER,
            initializer=prepare_worker,
            initargs=(self.memory_mb,),
            context=self._context,  # type: ignore[arg-type]
        )

    def _replace(self, broken: ProcessPool) -> None:
        self._pool = self._new_pool()
        self._cancel_waiting()
        # In another thread, because the fault that broke the pool may also keep it from ending.
        threading.Thread(target=self._discard, args=(broken,), daemon=True).start()

    def _cancel_waiting(self) -> None:
        """Wake the callers that wait for a pool that cannot answer any more."""
        for future in tuple(self._waiting):
            future.cancel()

    @staticmethod
    def _discard(pool: ProcessPool) -> None:
        pool.stop()
        pool.join()


_shared: dict[tuple[int, int, float, int], VerifierPool] = {}
_shared_lock = threading.Lock()


def shared_pool(
    workers: int = DEFAULT_WORKERS, timeout_s: float = DEFAULT_TIMEOUT_S, memory_mb: int = DEFAULT_MEMORY_MB
) -> VerifierPool:
    """This process's pool with these settings. It is made on first use and closed when the interpreter exits."""
    key = (os.getpid(), workers, timeout_s, memory_mb)  # a forked child cannot use its parent's workers
    with _shared_lock:
        if key not in _shared:
            _shared[key] = VerifierPool(workers, timeout_s, memory_mb)
        return _shared[key]


@atexit.register
def _close_shared_pools() -> None:
    for (pid, *_), pool in _shared.items():
        if pid == os.getpid():
            pool.close()
