"""How a verifier's worker processes are born, and how they are made sure to die.

The parent is often a Ray worker full of threads, so plain ``fork`` is unsafe, and ``spawn`` pays seconds of imports
for every worker that replaces a killed one. A fork server has neither fault: a small process with one thread that
has imported math-verify and forks the workers. This one differs from the standard library's in three ways:

- every pool has its own, so that closing the pool leaves no process behind;
- workers do not import the parent's main module (Ray's worker script, a script without a main guard, standard
  input): they need nothing from it;
- workers do not keep their server alive, and the kernel kills them when it exits. The parent's death closes the
  server's pipe, so even a worker stuck in C code ends at once when its parent is killed.
"""

import ctypes
import io
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing import context, forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.process import BaseProcess
from typing import Any

from hpt.verifier.judge import judge

PRELOAD = ["math_verify"]
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class WorkerContext(context.ForkServerContext):
    """A multiprocessing context with a fork server of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload(PRELOAD)

    def Process(self, **kwargs: Any) -> BaseProcess:  # type: ignore[override]
        return _Process(self._server, **kwargs)

    def stop(self) -> None:
        """End the fork server; call it once the workers are gone."""
        self._server._stop()  # type: ignore[attr-defined]


class _Process(context.ForkServerProcess):
    def __init__(self, server: forkserver.ForkServer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._server = server

    def __getstate__(self) -> dict[str, Any]:
        # The copy of this object that the worker unpickles has no use for the server, which holds a lock.
        return {name: value for name, value in self.__dict__.items() if name != "_server"}

    def _Popen(self, process: BaseProcess) -> popen_forkserver.Popen:  # type: ignore[override]
        return _Popen(process, self._server)


class _Popen(popen_forkserver.Popen):
    def __init__(self, process: BaseProcess, server: forkserver.ForkServer) -> None:
        self._server = server
        super().__init__(process)

    def _launch(self, process: Any) -> None:
        """The standard library's, with our server and without the parent's main module."""
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
        # The worker tells by the other end of this duplicate whether its parent is alive.
        parent_writer = os.dup(writer)
        self.finalizer = util.Finalize(self, util.close_fds, (parent_writer, self.sentinel))  # type: ignore[attr-defined]
        with open(writer, "wb") as pipe:
            pipe.write(pickled.getbuffer())
        self.pid = forkserver.read_signed(self.sentinel)


def prepare_worker() -> None:
    """Runs first in every worker, before its clock starts."""
    # The pool ends a worker by SIGTERM, and pebble's handler runs in Python: a worker stuck in C code would never
    # get to it and cost its successor seconds until the SIGKILL.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    # It warns once per process that its time limits are off; the pool has its own.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    judge("1/2", r"\frac{1}{2}")


def _die_with_parent() -> None:
    if sys.platform != "linux":
        return  # an idle worker still ends when its pipe closes; a busy one when it is done
    server: Any = forkserver._forkserver
    os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = None
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        os._exit(1)  # it died before the kernel was told
