# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Start a training or an evaluation as a process of its own, watch it, and end it together with this process."""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hpt.common.exit import signalled_at_parents_end
from hpt.common.files import complete_json_lines
from hpt.common.training_log import METRICS_FILE
from hpt.verl_ext.cpu.forkserver import modules, serving

ROOT = Path(__file__).resolve().parents[2]
LOG_FILE, PID_FILE = "train.log", "training.pid"
STOP_SECONDS = 60
"""How long workers may take to shut down after Ctrl-C."""
POLL_SECONDS = 0.5
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
"""Variables of what is started, unless this process has them."""


def finished_steps(metrics: Path) -> int:
    """The last step in a metrics file; 0 if there is no such file."""
    if not metrics.exists():
        return 0
    return max((line["step"] for line in complete_json_lines(metrics)), default=0)


def steps_until_end(process: subprocess.Popen, folder: Path) -> Iterator[int]:
    """The finished steps of the run in ``folder``, twice a second until the process has ended, and once more."""
    while process.poll() is None:
        yield finished_steps(folder / METRICS_FILE)
        time.sleep(POLL_SECONDS)
    yield finished_steps(folder / METRICS_FILE)


def preloaded() -> str:
    """The path of an interpreter that has the libraries of a training on a CPU imported, for whoever starts many.

    It works until this process ends.
    """
    with _preloading:  # a study calls this from several threads
        return _preloaded()


_preloading = threading.Lock()


@functools.cache
def _preloaded() -> str:
    if sys.platform != "linux":
        return sys.executable
    stack = contextlib.ExitStack()
    server = stack.enter_context(serving(modules.AT_ONCE, [], {**ENVIRONMENT, **modules.ENVIRONMENT}, STOP_SECONDS))
    atexit.register(stack.close)
    return server.launcher


def run_training(
    folder: Path,
    overrides: Sequence[str],
    watch: Callable[[subprocess.Popen], None],
    interpreter: str = sys.executable,
) -> int:
    """Train in a process of its own, as :func:`run_process` does; return its exit status.

    Args:
        folder: the run's folder.
        overrides: overrides of config/quickstart.yaml; one of them names ``folder``.
        watch: see :func:`run_process`.
        interpreter: what runs it.
    """
    command = [interpreter, "-m", "recipe.hpt.main_hpt", "--config-name", "quickstart"]
    return run_process([*command, *overrides], folder, watch)


def run_process(command: Sequence[str], folder: Path, watch: Callable[[subprocess.Popen], None]) -> int:
    """Run a command, append its output to ``folder/train.log``, and return its exit status.

    The process gets a session of its own. So Ctrl-C reaches it once, from here, and not each of its workers at the
    same time. ``folder/training.pid`` holds its process id.

    Args:
        command: the command; one of its arguments names ``folder``.
        folder: an existing folder.
        watch: called with the process; returns when the process has ended. What it raises ends the process.
    """

    def before_start() -> None:
        # A shell that puts us into the background has SIGINT ignored, and a child inherits that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signalled_at_parents_end(signal.SIGINT)  # if this process is killed, the training ends as after Ctrl-C

    with open(folder / LOG_FILE, "ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **os.environ},
            start_new_session=True,
            preexec_fn=before_start,
        )
    try:
        (folder / PID_FILE).write_text(f"{process.pid}\n")
        watch(process)
    except BaseException:
        print("stopping the process that was started ...", file=sys.stderr)
        _stop(process)
        raise
    return process.returncode


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class StillRunning(RuntimeError):
    """A training of an earlier launch that has not ended."""


def wait_for_earlier(folder: Path, patience: float = STOP_SECONDS) -> None:
    """Wait until the training that an interrupted launch started in ``folder`` has ended.

    Args:
        folder: the run's folder.
        patience: how long to wait, in seconds.

    Raises:
        StillRunning: it has not ended by then; two trainings in one folder would write over each other.
    """
    deadline = time.monotonic() + patience
    while (process := _training_in(folder)) is not None:
        if time.monotonic() > deadline:
            raise StillRunning(
                f"got process {process}, a training that an earlier launch started in {folder}; expected it to have "
                "ended with that launch: end it, then launch again"
            )
        time.sleep(POLL_SECONDS)


def _training_in(folder: Path) -> int | None:
    """The id of the process that was started in ``folder``, if it still runs."""
    try:
        process = int((folder / PID_FILE).read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    # The number may have gone to another process, which does not name the folder.
    return process if os.fsencode(folder) in command else None
