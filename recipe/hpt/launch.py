# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Start a training on config/quickstart.yaml as a process of its own, watch it, and end it with its parent."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[2]
LOG_FILE, METRICS_FILE, PID_FILE = "train.log", "metrics.jsonl", "training.pid"
STOP_SECONDS = 60  # for workers to be shut down after Ctrl-C
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration, so that a wrong override is refused before anything starts.

    Raises:
        hydra.errors.HydraException: an override that does not fit.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(ROOT / "recipe" / "hpt" / "config"), version_base=None):
        return compose("quickstart", overrides=[item for item in overrides if not item.startswith("hydra.")])


def finished_steps(metrics: Path) -> int:
    """The last step in a metrics file; 0 without one."""
    if not metrics.exists():
        return 0
    steps = 0
    for line in metrics.read_text().splitlines():
        try:
            steps = max(steps, json.loads(line)["step"])
        except json.JSONDecodeError:  # the last line, half written
            break
    return steps


def steps_until_end(process: subprocess.Popen, metrics: Path) -> Iterator[int]:
    """The finished steps, twice a second until the process has ended, and once more."""
    while process.poll() is None:
        yield finished_steps(metrics)
        time.sleep(0.5)
    yield finished_steps(metrics)


def run_training(folder: Path, overrides: Sequence[str], watch: Callable[[subprocess.Popen], None]) -> int:
    """Run the training in a process of its own, see :func:`run_process`; returns its exit status.

    Args:
        folder: the run's.
        overrides: of config/quickstart.yaml.
    """
    command = [sys.executable, "-m", "recipe.hpt.main_hpt", "--config-name", "quickstart"]
    return run_process([*command, *overrides], folder, watch)


def run_process(command: Sequence[str], folder: Path, watch: Callable[[subprocess.Popen], None]) -> int:
    """Run a command with its output at the end of a log file; returns its exit status.

    It gets a session of its own, so that Ctrl-C reaches it once, from here, and not each of its
    workers at the same time. Its process id is in ``training.pid``.

    Args:
        command: names ``folder`` in an argument.
        folder: for the log.
        watch: returns when the process has ended; what it raises ends the process.
    """
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def before_start() -> None:
        # A shell that puts us into the background has SIGINT ignored, and a child inherits that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:  # should this process be killed, the training ends as by Ctrl-C
            prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)

    with open(folder / LOG_FILE, "ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=before_start,
        )
    try:
        (folder / PID_FILE).write_text(f"{process.pid}\n")
        watch(process)
    except BaseException:
        print("stopping what was started ...", file=sys.stderr)
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
        patience: seconds.

    Raises:
        StillRunning: two trainings in one folder would write over each other.
    """
    deadline = time.monotonic() + patience
    while (process := _training_in(folder)) is not None:
        if time.monotonic() > deadline:
            raise StillRunning(
                f"got process {process}, a training that an earlier launch started in {folder}; expected it to have "
                "ended with that launch: end it, then launch again"
            )
        time.sleep(0.5)


def _training_in(folder: Path) -> int | None:
    try:
        process = int((folder / PID_FILE).read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return process if os.fsencode(folder) in command else None  # else the number went to another process
