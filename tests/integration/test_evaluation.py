# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation with Ray, vLLM on this CPU and the verifier's pool. It is interrupted, killed and continued."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from hpt.common.seeds import sample_seed
from hpt.evaluation import generate
from hpt.evaluation.worker import Completion, GenerationError, Request
from recipe.hpt.reproduction.task.questions import boxed_answer
from tests.helpers.processes import Command, start

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

N = 48
NAMES = ("builtin/level_1", "builtin/level_3")
FILES = ("builtin_level_1.jsonl", "builtin_level_3.jsonl")


@pytest.fixture(scope="module")
def benchmarks(task, tmp_path_factory):
    """The task's validation questions, one file per level.

    Those of level 3 are made long, without sense, so that more of them come at once than fit into an engine's step.
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
    """launch(out, files, *overrides) -> Command; what still runs at the end is killed."""
    logs, started = tmp_path_factory.mktemp("logs"), []

    def begin(out: Path, files: list[Path], *overrides: str) -> Command:
        arguments = [
            sys.executable, "-m", "recipe.hpt.main_eval", "--config-name", "eval_cpu",
            f"model={task / 'base_model'}", f"benchmarks=[{','.join(map(str, files))}]", f"out={out}", *overrides,
        ]  # fmt: skip
        started.append(start(arguments, logs / f"{len(started)}.log"))
        return started[-1]

    yield begin
    for command in started:
        command.kill()


@pytest.fixture(scope="module")
def uninterrupted(launch, benchmarks, tmp_path_factory):
    """Two engines, from nothing to results in one launch."""
    out = tmp_path_factory.mktemp("evaluation") / "uninterrupted"
    command = launch(out, benchmarks[::-1], f"n={N}", "workers=2")
    assert command.wait(400) == 0, command.log
    return out, command


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(out: Path) -> int:
    """Lines in the journals."""
    return sum(file.read_bytes().count(b"\n") for file in out.glob("samples/*.partial.jsonl"))


def test_results_are_those_of_the_samples(uninterrupted, task, benchmarks):
    out, command = uninterrupted
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
            # Answers of this task have two digits, so comparing texts decides.
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
    command.assert_nothing_is_left()


def test_resumed_is_uninterrupted(uninterrupted, launch, benchmarks, tmp_path):
    """Ctrl-C, a TERM signal, a kill of the driver, a line that is cut short, and the death of an engine change nothing.

    Between the launches a benchmark is added and n is raised. Engines and batches differ from the uninterrupted run.
    """
    out = tmp_path / "interrupted"
    slow = ("max_num_seqs=4", "workers=1")
    command = launch(out, benchmarks[:1], "n=32", *slow)
    command.wait_until(lambda: written(out) >= 20, 300, poll=0.02)
    command.signal_all(signal.SIGINT)
    assert command.wait(60) == 130, command.log
    assert "interrupted" in command.log and "Traceback" not in command.log, command.log
    command.assert_nothing_is_left()
    first = written(out)
    assert 20 <= first < 2 * 8 * 32

    command = launch(out, benchmarks[:1], "n=32", *slow)
    command.wait_until(lambda: written(out) >= first + 10, 300, poll=0.02)
    command.signal_all(signal.SIGTERM)  # how a scheduler ends a job
    assert command.wait(60) == 130, command.log
    command.assert_nothing_is_left()
    second = written(out)

    command = launch(out, benchmarks, f"n={N}", *slow)
    command.wait_until(lambda: written(out) >= second + 50, 300, poll=0.02)
    command.process.kill()
    command.process.wait()
    command.assert_nothing_is_left()
    journal = min(out.glob("samples/*.partial.jsonl"))
    with open(journal, "ab") as file:
        file.write(b'{"question": "builtin/level_1/0", "sam')
    third = written(out)
    assert third >= second + 50

    command = launch(out, benchmarks, f"n={N}", "workers=2", "max_num_seqs=7")
    command.wait_until(lambda: written(out) >= third + 50, 300, poll=0.02)
    engines = [each for each in command.relatives() if "GenerationWorker" in " ".join(each.cmdline())]
    assert len(engines) == 2, command.log
    engines[0].kill()
    assert command.wait(300) == 0, command.log
    assert "cut short" in command.log and "an engine has died" in command.log
    command.assert_nothing_is_left()

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
    shutil.copytree(task / "base_model", other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    command = launch(out, benchmarks, f"n={N + 1}", f"model={other}", "temperature=0.7")
    assert command.wait(120) == 2
    message = command.log.strip()
    assert len(message.splitlines()) == 1 and message.startswith("error: ")
    assert str(other) in message and "temperature: 0.7 instead of 0.6" in message
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def dispatch(tmp_path_factory):
    """dispatch(*starts) -> numbers of the finished requests, of ten."""

    class Worker:
        """Stands for an engine: ``start`` says what it does at its start. It answers once another engine is lost."""

        def __init__(self, start: str, loss: Path) -> None:
            self.how, self.loss = start, loss

        def start(self) -> dict:
            if self.how == "dies":
                os._exit(1)
            if self.how == "raises":
                raise ValueError("got no model")
            return {}

        def advance(self, requests: list, seconds: float) -> list:
            while not self.loss.exists():
                time.sleep(0.01)
            return [Completion(each.number, "", 1, "stop") for each in requests]

    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False)

    def run(*starts: str) -> list[int]:
        loss = tmp_path_factory.mktemp("dispatch") / "loss"
        actor = ray.remote(max_restarts=0)(Worker)
        engines = [generate.Engine(actor.remote(start, loss), Path("worker.log")) for start in starts]
        requests, finished = [Request(number, [1], 0) for number in range(10)], []

        def idle() -> None:
            if len(work.engines) < len(starts):
                loss.touch()

        work = generate.Dispatch(
            engines, requests, 2, (), lambda _: None, lambda each: finished.append(each.number), idle
        )
        work.run()
        return sorted(finished)

    yield run
    ray.shutdown()


def test_an_engine_that_dies_at_its_start_is_a_loss_like_a_later_one(dispatch, capsys):
    assert dispatch("dies", "works") == list(range(10))
    assert "an engine has died" in capsys.readouterr().err
    with pytest.raises(GenerationError, match="could not be started: ActorDied"):
        dispatch("dies", "dies")


def test_what_an_engine_raises_at_its_start_ends_the_evaluation(dispatch):
    with pytest.raises(GenerationError, match="could not be started: ValueError: got no model"):
        dispatch("raises", "works")
