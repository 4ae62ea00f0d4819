# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A process is started, watched and stopped; a script takes the training's place."""

import os
import signal
import subprocess
import sys
import time

import pytest

from recipe.hpt import launch

TRAINING = """
import signal, sys, time
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("started", flush=True)
try:
    time.sleep({seconds})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
sys.exit({status})
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """make(seconds, status): put a script in the place of recipe.hpt.main_hpt; returns a run's folder."""

    def make(seconds, status=0):
        module = tmp_path / "root" / "recipe" / "hpt"
        module.mkdir(parents=True)
        for each in (module, module.parent):  # else a regular package elsewhere on the path would win
            (each / "__init__.py").touch()
        (module / "main_hpt.py").write_text(TRAINING.format(seconds=seconds, status=status))
        monkeypatch.setattr(launch, "ROOT", tmp_path / "root")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "root"))
        folder = tmp_path / "run"
        folder.mkdir()
        return folder

    return make


def wait_for(text, log):
    deadline = time.monotonic() + 30
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_the_log_goes_on_and_the_status_comes_back(package):
    folder = package(0, status=3)
    (folder / "train.log").write_text("earlier\n")
    assert launch.run_training(folder, ["a=b"], lambda process: process.wait()) == 3
    assert (folder / "train.log").read_text() == "earlier\nstarted\n"


def test_an_interpreter_with_everything_imported_runs_it_as_well(package, monkeypatch):
    folder = package(0, status=3)
    monkeypatch.setattr(launch.modules, "AT_ONCE", ["fractions"])
    (folder.parent / "root" / "recipe" / "hpt" / "main_hpt.py").write_text(
        "import signal, sys\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "print('fractions' in sys.modules)\n"
    )
    assert launch.run_training(folder, [], lambda process: process.wait(), launch._preloaded.__wrapped__()) == 0
    assert (folder / "train.log").read_text() == ("True\n" if sys.platform == "linux" else "False\n")


def test_what_the_watcher_raises_ends_the_training_as_ctrl_c_does(package):
    folder = package(60)

    def watch(process):
        wait_for("started", folder / "train.log")
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job
    try:
        with pytest.raises(KeyboardInterrupt):
            launch.run_training(folder, [], watch)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (folder / "train.log").read_text() == "started\ninterrupted\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_training_does_not_outlive_a_killed_parent(package):
    folder = package(60)
    code = (
        "import sys; from pathlib import Path; from recipe.hpt import launch\n"
        f"launch.ROOT = Path({str(launch.ROOT)!r})\n"
        f"launch.run_training(Path({str(folder)!r}), [{str(folder)!r}], lambda process: process.wait())"
    )
    checkout = str(launch.Path(launch.__file__).resolve().parents[2])
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {checkout!r})\n{code}"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    while not (folder / "train.log").exists():
        time.sleep(0.05)
    wait_for("started", folder / "train.log")
    with pytest.raises(launch.StillRunning, match=r"got process \d+, a training that an earlier"):
        launch.wait_for_earlier(folder, patience=0)
    parent.kill()
    parent.wait()
    launch.wait_for_earlier(folder, patience=30)
    assert (folder / "train.log").read_text() == "started\ninterrupted\n"


def test_another_process_under_the_same_number_is_not_waited_for(tmp_path):
    launch.wait_for_earlier(tmp_path, patience=0)  # no training was started
    (tmp_path / "training.pid").write_text(f"{os.getpid()}\n")
    launch.wait_for_earlier(tmp_path, patience=0)


def test_finished_steps_stops_at_a_line_that_is_half_written(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    assert launch.finished_steps(metrics) == 0
    metrics.write_text('{"step": 1, "data": {}}\n{"step": 2, "data": {}}\n{"step": 3, "da')
    assert launch.finished_steps(metrics) == 2
