# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Worker processes by fork from one interpreter that has everything imported.

On a laptop the launch of a training is little more than imports of torch, verl, vLLM and
transformers, once per process of Ray and vLLM. Here they are imported once. Ray (by its runtime
environment's ``py_executable``) and, inside the workers, ``multiprocessing`` (by ``set_executable``)
are given a launcher in place of the interpreter. It asks the server for a child, which runs the same
command with the same environment, folder and file descriptors, and lives as long as that does.

Not for accelerators: their runtime does not survive a fork. Linux only.
"""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ForkServer:
    """A running fork server.

    Attributes:
        launcher: path of the program that stands in for the interpreter.
        closing: to be set when the server may end, because no process is wanted from it any more.
            Before that its end is an error.
    """

    launcher: str
    closing: threading.Event


@contextlib.contextmanager
def serving(
    at_once: Sequence[str], on_request: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[ForkServer]:
    """Run a fork server; if it fails, this process is interrupted.

    Args:
        at_once: modules that the server imports while the caller goes on.
        on_request: modules that it imports from the first request on, under that request's
            environment: the first one before it answers, the others when nobody waits.
        environment: variables for the server where this process has none of these names.
    """
    with tempfile.TemporaryDirectory(prefix="hpt-fork-") as folder:
        address, launcher = os.path.join(folder, "socket"), os.path.join(folder, "python")
        client = Path(__file__).with_name("client.py")
        command = shlex.join([sys.executable, "-I", "-S", str(client), address])
        Path(launcher).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        os.chmod(launcher, 0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)  # who comes while the server imports waits here
            modules = json.dumps([list(at_once), list(on_request)])
            arguments = [str(listener.fileno()), launcher, modules]
            server = subprocess.Popen(
                [sys.executable, "-m", "hpt.verl_ext.cpu.forkserver.server", *arguments],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,  # its end tells the server that this process has ended
                env={**(environment or {}), **os.environ},
                start_new_session=True,  # a Ctrl-C is for the training, which ends the others
            )
        closing = threading.Event()
        threading.Thread(target=_watch, args=(server, closing), daemon=True).start()
        try:
            yield ForkServer(launcher, closing)
        finally:
            closing.set()
            assert server.stdin is not None
            server.stdin.close()
            server.terminate()  # heeded while it still imports at once, and has no children
            server.wait()


def _watch(server: subprocess.Popen, closing: threading.Event) -> None:
    """Without the server no worker starts, and Ray would try for ever: interrupt the training."""
    status = server.wait()
    if not closing.is_set():
        print(
            f"error: the fork server ended with status {status}, no worker can be started; its own "
            "message is above. hpt.fork_workers=false starts workers without it",
            file=sys.stderr,
        )
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
