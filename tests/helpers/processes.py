# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that a test starts as a user does: their logs, what they leave running, and their end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = "HPT_TEST_RUN"
"""Environment variable that names the command; all processes it starts inherit it."""
LOG_END = 3000
"""Characters of a log to show when a test fails."""


def with_variable(name: str, value: str) -> list[psutil.Process]:
    """All running processes that have an environment variable with this value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(name) == value:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@dataclass
class Command:
    """A running command and its log.

    Attributes:
        process: it has a session of its own.
        log_file: both of its output streams.
        mark: value of ``MARK`` in its environment.
    """

    process: subprocess.Popen
    log_file: Path
    mark: str

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit status; kill the command and fail after ``timeout`` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"no end after {timeout} s; the log's end:\n{self.log[-LOG_END:]}")

    def wait_until(self, happened: Callable[[], bool], timeout: float, poll: float = 0.1) -> None:
        """Wait until ``happened``; fail if the command ends before, or after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not happened():
            if self.process.poll() is not None:
                pytest.fail(f"the command ended early:\n{self.log[-LOG_END:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"nothing happened in {timeout} s:\n{self.log[-LOG_END:]}")
            time.sleep(poll)

    def signal_all(self, number: int) -> None:
        """Send a signal to every process of the command's group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Kill the command's process group, if it still runs."""
        if self.process.poll() is None:
            self.signal_all(signal.SIGKILL)
            self.process.wait()

    def relatives(self) -> list[psutil.Process]:
        """What still runs of everything that the command started."""
        return with_variable(MARK, self.mark)

    def assert_nothing_is_left(self, patience: float = 30) -> None:
        """Fail if one of its processes still runs after ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while self.relatives() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [process.cmdline() for process in self.relatives()] == []


def start(arguments: Sequence[str], log_file: Path, *, folder: Path = ROOT, **environment: str) -> Command:
    """Start a command in a folder, by default the checkout, with its output at the end of a log file."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, MARK: str(log_file), **environment}
    with open(log_file, "ab") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Command(process, log_file, str(log_file))


def python_path(*folders: Path) -> str:
    """The variable PYTHONPATH with folders before those that are there."""
    return os.pathsep.join([*map(str, folders), str(ROOT), os.environ.get("PYTHONPATH", "")])
