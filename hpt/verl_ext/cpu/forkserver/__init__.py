# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Fork worker processes from one interpreter that has everything imported.

On a laptop, a training spends its launch on imports of torch, verl, vLLM and transformers, once per process of Ray and
vLLM. Here they are imported once. Ray (by its runtime environment's ``py_executable``) and, inside the workers,
``multiprocessing`` (by ``set_executable``) start a launcher in place of the interpreter. The launcher asks the server
for a child, which runs the same command with the same environment, folder and file descriptors. The launcher lives as
long as the child does.

An accelerator's runtime does not survive a fork, so this is for CPUs. It works on Linux only.
"""

import contextlib
import json
import multiprocessing.spawn
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

GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class ForkServer:
    """A running fork server.

    Attributes:
        launcher: path of the program that stands in for the interpreter.
        closing: set it when nobody needs the server any more; before that, its end is an error.
    """

    launcher: str
    closing: threading.Event


@contextlib.contextmanager
def serving(
    at_once: Sequence[str],
    on_request: Sequence[str],
    environment: Mapping[str, str] | None = None,
    grace: float = GRACE_SECONDS,
) -> Iterator[ForkServer]:
    """Run a fork server; if it fails, this process is interrupted.

    Args:
        at_once: modules that the server imports while the caller goes on.
        on_request: modules that it imports from the first request on, in that request's environment. It imports the
            first one before it answers, the others when nobody waits.
        environment: variables that the server gets unless this process has them already.
        grace: seconds that children may take to end by themselves once this process has ended.
    """
    with tempfile.TemporaryDirectory(prefix="hpt-fork-") as folder:
        address, launcher = os.path.join(folder, "socket"), os.path.join(folder, "python")
        client = Path(__file__).with_name("client.py")
        command = shlex.join([sys.executable, "-I", "-S", str(client), address])
        Path(launcher).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        os.chmod(launcher, 0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)  # clients wait here while the server imports
            settings = json.dumps([list(at_once), list(on_request), grace])
            arguments = [str(listener.fileno()), launcher, settings]
            # In a child of another fork server this is that one's launcher, so nothing is imported twice.
            interpreter = os.fsdecode(multiprocessing.spawn.get_executable())
            server = subprocess.Popen(
                [interpreter, "-m", "hpt.verl_ext.cpu.forkserver.server", *arguments],
                pass_fds=[listener.fileno()],
                cwd=Path(__file__).resolve().parents[4],  # so that it imports the hpt that this process has
                stdin=subprocess.PIPE,  # when it closes, the server knows that this process has ended
                env={**(environment or {}), **os.environ},
                start_new_session=True,  # Ctrl-C goes to the training alone, which ends the others
            )
        closing = threading.Event()
        threading.Thread(target=_watch, args=(server, closing), daemon=True).start()
        try:
            yield ForkServer(launcher, closing)
        finally:
            closing.set()
            assert server.stdin is not None
            server.stdin.close()
            server.terminate()  # ends it while it still imports and has no children
            server.wait()


def _watch(server: subprocess.Popen, closing: threading.Event) -> None:
    """Interrupt the training when the server ends: no worker would start, and Ray would try for ever."""
    status = server.wait()
    if not closing.is_set():
        print(
            f"error: the fork server ended with status {status}, no worker can be started; its own "
            "message is above. hpt.fork_workers=false starts workers without it",
            file=sys.stderr,
        )
        # A shell's background job ignores Ctrl-C.
        number = signal.SIGTERM if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.SIGINT
        signal.pthread_kill(threading.main_thread().ident or 0, number)
