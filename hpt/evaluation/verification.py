# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Verification during generation: samples go in as they are finished, verdicts come out in any order."""

import queue
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from hpt.evaluation.settings import VerifierSettings
from hpt.verifier import Verdict, VerifierPool

T = TypeVar("T")
# Threads per worker process. They only wait for verdicts, so a few more keep the workers busy.
_THREADS = 4


class Verification(Generic[T]):
    """A verifier pool and the threads that wait for it. Use it as a context manager."""

    def __init__(self, settings: VerifierSettings) -> None:
        self._pool = VerifierPool(**settings.arguments())
        self._threads = ThreadPoolExecutor(_THREADS * settings.workers, "verdict")
        self._done: queue.SimpleQueue[tuple[T, Future[Verdict]]] = queue.SimpleQueue()
        self.pending = 0

    def __enter__(self) -> "Verification[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close()  # threads that still wait get an error
        self._threads.shutdown(wait=True)

    def submit(self, label: T, response: str, answer: str, kind: str) -> None:
        """Check a response; :meth:`verdicts` gives it back under ``label``."""
        self.pending += 1
        future = self._threads.submit(self._pool.verify, response, answer, kind)
        future.add_done_callback(lambda done: self._done.put((label, done)))

    def verdicts(self, wait_s: float = 0.0) -> Iterator[tuple[T, Verdict]]:
        """Yield the verdicts that have arrived; if there is none, wait up to ``wait_s`` seconds for the first.

        Raises:
            RuntimeError: the pool does not work.
        """
        while self.pending:
            try:
                label, future = self._done.get(timeout=wait_s) if wait_s else self._done.get(False)
            except queue.Empty:
                return
            self.pending -= 1
            wait_s = 0.0
            yield label, future.result()
