# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a verifier's worker processes start, and how they are sure to end.

The parent is often a Ray worker with many threads, so plain ``fork`` is unsafe. ``spawn`` costs imports for every
worker that replaces a killed one. A fork server avoids both: it is a small process with one thread that has imported
the verifier and forks the workers. This one differs from the standard library's in three ways:

- Each pool has its own server, so that closing the pool leaves no process behind.
- Workers do not import the parent's main module, and need nothing from it. It may be Ray's worker script, a script
  without a main guard, or standard input, which cannot be imported again.
- Workers do not keep their server alive, and the kernel kills them when the server exits. The parent's death closes the
  server's pipe, so even a worker stuck in C code ends at once when its parent is killed.

The kernel limits a worker's memory (RLIMIT_AS), so no comparison can exhaust the machine's. A refused allocation raises
MemoryError, which a user's function may swallow. So a worker looks at its own peak after each comparison.
"""

import io
import multiprocessing
import os
import signal
import sys
from multiprocessing import context, forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.process import BaseProcess
from typing import Any

from hpt.common.exit import signalled_at_parents_end
from hpt.verifier.judge import judge
from hpt.verifier.kinds import Judge, apply
from hpt.verifier.verdict import Verdict

PRELOAD = ["hpt.verifier.preload"]
# Exit status of a worker whose comparison ran out of memory; sysexits.h has none near it.
EXIT_MEMORY = 97
# Data structures grow in steps of up to a factor of two. So before a refused step at least this share was in use.
REFUSED_SHARE = 0.5
_MIB = 1 << 20
# Peak of address space in bytes above which a comparison in this worker counts as out of memory.
_peak_limit: float = float("inf")


class WorkerContext(context.ForkServerContext):
    """A multiprocessing context with a fork server of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload(PRELOAD)

    def Process(self, **kwargs: Any) -> BaseProcess:  # type: ignore[override]
        return _Process(self._server, **kwargs)

    def stop(self) -> None:
        """End the fork server. Call it after the workers have ended."""
        self._server._stop()  # type: ignore[attr-defined]


class _Process(context.ForkServerProcess):
    def __init__(self, server: forkserver.ForkServer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._server = server

    def __getstate__(self) -> dict[str, Any]:
        # The worker unpickles a copy of this object. The server holds a lock, which cannot be pickled.
        return {name: value for name, value in self.__dict__.items() if name != "_server"}

    def _Popen(self, process: BaseProcess) -> popen_forkserver.Popen:  # type: ignore[override]
        return _Popen(process, self._server)


class _Popen(popen_forkserver.Popen):
    def __init__(self, process: BaseProcess, server: forkserver.ForkServer) -> None:
        self._server = server
        super().__init__(process)

    def _launch(self, process: Any) -> None:
        """Do as the standard library does, with our server and without the parent's main module."""
        preparation = spawn.get_preparation_data(process._name)
        preparation.pop("init_main_from_name", None)
        preparation.pop("init_main_from_path", None)
        pickled = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(preparation, pickled)
            reduction.dump(process, pickled)
        finally:
            context.set_spawning_popen(None)
        self.sentinel, writer = self._server.connect_to_new_process(self._fds)  # type: ignore[attr-defined]
        # From the other end of this duplicate the worker sees whether its parent is alive.
        parent_writer = os.dup(writer)
        self.finalizer = util.Finalize(self, util.close_fds, (parent_writer, self.sentinel))  # type: ignore[attr-defined]
        with open(writer, "wb") as pipe:
            pipe.write(pickled.getbuffer())
        self.pid = forkserver.read_signed(self.sentinel)


def prepare_worker(memory_mb: int) -> None:
    """Prepare a new worker, before the clock of its first task starts.

    Args:
        memory_mb: MiB that comparisons may use in addition to what the worker uses already.
    """
    # The pool ends a worker by SIGTERM. Pebble's handler runs in Python, so a worker stuck in C code would not reach
    # it, and its successor would wait seconds for the SIGKILL.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    _limit_memory(memory_mb)


def compare(extracted: str, gold: str, own: Judge | None = None) -> Verdict:
    """Run ``judge``, or ``own``; the worker exits with EXIT_MEMORY if its memory does not suffice."""
    before = _address_space("VmPeak")
    try:
        verdict = judge(extracted, gold) if own is None else apply(own, extracted, gold)
    except MemoryError:
        os._exit(EXIT_MEMORY)  # too little address space may be left for an orderly exit
    if verdict.score == 0.0 and _address_space("VmPeak") > max(before, _peak_limit):
        os._exit(EXIT_MEMORY)
    return verdict


def _limit_memory(memory_mb: int) -> None:
    global _peak_limit
    if sys.platform != "linux":
        return  # only the time limit protects
    import resource

    size = _address_space("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (size + memory_mb * _MIB, resource.RLIM_INFINITY))
    _peak_limit = max(size + REFUSED_SHARE * memory_mb * _MIB, _address_space("VmPeak"))


def _address_space(field: str) -> int:
    """``VmSize`` or ``VmPeak`` of this process in bytes; 0 on systems without /proc."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _die_with_parent() -> None:
    if sys.platform != "linux":
        return  # an idle worker still ends when its pipe closes, a busy one when its task is done
    server: Any = forkserver._forkserver
    os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = None
    signalled_at_parents_end(signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        os._exit(1)  # it died before the call above
