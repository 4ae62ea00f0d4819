# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from hpt.common.errors import ConfigError
from hpt.common.lock import holder_of, locked

HOLD = """
import os, sys, time
from pathlib import Path
from hpt.common.lock import locked
with locked(Path(sys.argv[1]), RuntimeError):
    child = os.fork()
    if child == 0:  # like a data loader's worker, which outlives a killed parent
        print("held", flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / ".lock"


def test_one_holder_at_a_time(path):
    assert holder_of(path) is None and not path.parent.exists()
    with locked(path, ConfigError):
        holder = holder_of(path)
        assert holder is not None and f"process {os.getpid()} on " in holder
        with pytest.raises(ConfigError, match=f"process {os.getpid()} on "), locked(path, ConfigError):
            pass
        assert holder_of(path) == holder
    assert holder_of(path) is None
    with locked(path, ConfigError):
        pass


def test_an_exception_gives_the_lock_back(path):
    with pytest.raises(KeyError), locked(path, ConfigError):
        raise KeyError
    assert holder_of(path) is None


def test_the_lock_ends_with_its_process_and_not_with_its_children(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert f"process {process.pid} on " in (holder_of(path) or "")
        process.kill()
        deadline = time.monotonic() + 10
        while holder_of(path) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        with locked(path, ConfigError):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_file_system_without_locks_warns(path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(path, ConfigError):
        assert holder_of(path) is None
    assert "this file system has no locks" in caplog.text


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), locked(tmp_path / "file" / "run" / ".lock", ConfigError):
        pass
    assert holder_of(tmp_path / "file" / "run" / ".lock") is None
