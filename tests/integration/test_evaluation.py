# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation on the real stack: Ray, vLLM on this CPU, the verifier's pool. Interrupted, killed, and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.evaluation.seeds import sample_seed
from recipe.hpt.reproduction.task.questions import boxed_answer
from tests.integration.conftest import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

N = 48
NAMES = ("builtin/level_1", "builtin/level_3")
FILES = ("builtin_level_1.jsonl", "builtin_level_3.jsonl")
MARKER = "HPT_TEST_RUN"


@pytest.fixture(scope="module")
def benchmarks(task, tmp_path_factory):
    """The task's validation questions, one file per level.

    Those of level 3 are long, without sense: more of them than fit into a step of the engine come at once.
    """
    folder = tmp_path_factory.mktemp("benchmarks")
    rows = pq.read_table(task / "val.parquet").to_pylist()
    files = []
    for number, name in enumerate(NAMES):
        files.append(folder / f"{number}.parquet")
        mine = [row for row in rows if row["data_source"] == name]
        for row in mine if name == NAMES[1] else ():
            row["prompt"][0]["content"] *= 12
        pq.write_table(pa.Table.from_pylist(mine), files[-1])
    return files


@pytest.fixture(scope="module")
def launch(task, tmp_path_factory):
    """launch(out, files, *overrides) -> (process, log); killed in the end."""
    logs, started = tmp_path_factory.mktemp("logs"), []

    def start(out, files, *overrides, **environment):
        command = [
            sys.executable, "-m", "recipe.hpt.main_eval", "--config-name", "eval_cpu",
            f"model={task / 'base_model'}", f"benchmarks=[{','.join(map(str, files))}]", f"out={out}", *overrides,
        ]  # fmt: skip
        log = logs / f"{len(started)}.log"
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with open(log, "wb") as file:
            started.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": path, MARKER: str(log), **environment},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return started[-1], log

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def uninterrupted(launch, benchmarks, tmp_path_factory):
    """Two engines, from nothing to results in one launch."""
    out = tmp_path_factory.mktemp("evaluation") / "uninterrupted"
    process, log = launch(out, benchmarks[::-1], f"n={N}", "workers=2")
    assert process.wait(400) == 0, log.read_text()
    return out, log


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(out: Path) -> int:
    """Lines in the journals."""
    return sum(file.read_bytes().count(b"\n") for file in out.glob("samples/*.partial.jsonl"))


def wait_until_written(out: Path, count: int, process, log: Path, timeout: float = 300) -> None:
    deadline = time.monotonic() + timeout
    while written(out) < count:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def relatives(log: Path) -> list[psutil.Process]:
    """What is left of a launch: its processes inherit a variable."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARKER) == str(log):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def assert_nothing_is_left(log: Path) -> None:
    deadline = time.monotonic() + 30
    while relatives(log) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [process.cmdline() for process in relatives(log)] == []


def test_results_are_those_of_the_samples(uninterrupted, task, benchmarks):
    out, log = uninterrupted
    results = json.loads((out / "results.json").read_text())
    assert list(results["benchmarks"]) == list(NAMES)
    accuracy = {}
    for name, file, source in zip(NAMES, FILES, benchmarks, strict=True):
        rows = pq.read_table(source).to_pylist()
        samples = lines(out / "samples" / file)
        expected = [(f"{name}/{row}", sample) for row in range(len(rows)) for sample in range(N)]
        assert [(each["question"], each["sample"]) for each in samples] == expected
        answers = {f"{name}/{number}": row["reward_model"]["ground_truth"] for number, row in enumerate(rows)}
        for each in samples:
            assert each["seed"] == sample_seed(0, name, each["question"], each["sample"])
            # Answers of this task are two digits, so that text tells right from wrong.
            if each["extracted"] is not None and len(each["extracted"]) == 2:
                assert each["extracted"] == boxed_answer(each["text"])
                right = each["extracted"] == answers[each["question"]]
                assert each["score"] == right and (each["reason"] == "correct") == right
            assert (each["finish_reason"] == "length") == (each["tokens"] == 64)
        accuracy[name] = sum(each["score"] for each in samples) / len(samples)
        assert results["benchmarks"][name]["value"] == pytest.approx(accuracy[name], abs=1e-12)
        assert results["benchmarks"][name]["metric"] == f"avg@{N}"
    assert accuracy[NAMES[0]] > accuracy[NAMES[1]], "the model was trained on level 1 only"
    assert len({each["text"] for each in lines(out / "samples" / FILES[1])}) > 100
    for name in ("results.md", "questions.jsonl", "pass_at_k.csv", "pass_at_k.png"):
        assert (out / name).stat().st_size > 0
    assert not list(out.glob("samples/*.partial.jsonl"))
    assert {path.name for path in (out / "logs").iterdir()} == {"worker-0.log", "worker-1.log"}
    assert_nothing_is_left(log)


def test_resumed_is_uninterrupted(uninterrupted, launch, benchmarks, tmp_path):
    """Ctrl-C, a TERM signal, a kill of the driver and a line cut short, and the death of an engine.

    On the way a benchmark is added and n raised, and engines and batches differ from the run that was not interrupted.
    """
    out = tmp_path / "interrupted"
    slow = ("max_num_seqs=4", "workers=1")
    process, log = launch(out, benchmarks[:1], "n=32", *slow)
    wait_until_written(out, 20, process, log)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130, log.read_text()
    assert "interrupted" in log.read_text() and "Traceback" not in log.read_text(), log.read_text()
    assert_nothing_is_left(log)
    first = written(out)
    assert 20 <= first < 2 * 8 * 32

    process, log = launch(out, benchmarks[:1], "n=32", *slow)
    wait_until_written(out, first + 10, process, log)
    os.killpg(process.pid, signal.SIGTERM)  # a scheduler's end
    assert process.wait(60) == 130, log.read_text()
    assert_nothing_is_left(log)
    first = written(out)

    process, log = launch(out, benchmarks, f"n={N}", *slow)
    wait_until_written(out, first + 50, process, log)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert_nothing_is_left(log)
    journal = next(iter(sorted(out.glob("samples/*.partial.jsonl"))))
    with open(journal, "ab") as file:
        file.write(b'{"question": "builtin/level_1/0", "sam')
    second = written(out)
    assert second >= first + 50

    process, log = launch(out, benchmarks, f"n={N}", "workers=2", "max_num_seqs=7")
    wait_until_written(out, second + 50, process, log)
    engines = [each for each in relatives(log) if "GenerationWorker" in " ".join(each.cmdline())]
    assert len(engines) == 2, log.read_text()
    engines[0].kill()
    assert process.wait(300) == 0, log.read_text()
    assert "cut short" in log.read_text() and "an engine has died" in log.read_text()
    assert_nothing_is_left(log)

    reference, _ = uninterrupted
    for file in FILES:
        assert (out / "samples" / file).read_bytes() == (reference / "samples" / file).read_bytes()
    for file in ("results.json", "questions.jsonl", "results.md", "pass_at_k.csv"):
        assert (out / file).read_text() == (reference / file).read_text()
    manifests = [json.loads((each / "manifest.json").read_text()) for each in (out, reference)]
    assert manifests[0] == manifests[1]


def test_a_folder_of_another_model_is_refused(uninterrupted, launch, benchmarks, task, tmp_path):
    out, _ = uninterrupted
    other = tmp_path / "other_model"
    other.mkdir()
    for file in (task / "base_model").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    process, log = launch(out, benchmarks, f"n={N + 1}", f"model={other}", "temperature=0.7")
    assert process.wait(120) == 2
    message = log.read_text().strip()
    assert len(message.splitlines()) == 1 and message.startswith("error: ")
    assert str(other) in message and "temperature: 0.7 instead of 0.6" in message
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
