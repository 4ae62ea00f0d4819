# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt data prepare`` and ``hpt model prepare`` as a user runs them, from local files and a hub on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.cli import main
from hpt.data.openr1 import COMPLETE, SUBSET
from hpt.data.writing import read_manifest
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from tests.helpers.checkpoints import IM_END, IM_START, write_model
from tests.helpers.hub import COMMIT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
SOLUTION = "<think>\nhm\n</think>\n\n\\boxed{2}"
OPENR1, COMPLEMENT, BENCHMARKS = (("data", "prepare", name) for name in ("openr1", "openr1-complement", "benchmarks"))
MODEL = ("model", "prepare")


def launch(python: str, *arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, "-m", "hpt.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd="/",  # from anywhere
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def run(interpreter) -> Callable[..., subprocess.CompletedProcess]:
    return partial(launch, interpreter)


def subset_rows(count: int) -> list[dict]:
    return [
        {
            "data_source": "Openr1-Math-46k",
            "prompt": [
                {"role": "system", "content": "Think."},
                {"role": "user", "content": f"What is {i}?"},
            ],
            "target": [{"role": "assistant", "content": SOLUTION}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "2"},
            "extra_info": {"index": -1, "split": "default"},
        }
        for i in range(count)
    ]


def complete_rows(count: int) -> list[dict]:
    return [
        {
            "problem": f"What is {i}?",
            "solution": "s",
            "answer": "2",
            "source": "olympiads",
            "uuid": f"uuid{i}",
            "generations": [SOLUTION],
            "correctness_math_verify": [True],
            "is_reasoning_complete": [True],
        }
        for i in range(count)
    ]


def put(folder: Path, rows: list[dict], split: str = "train") -> Path:
    """One split of a hub's dataset."""
    file = folder / "data" / f"{split}-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = build_tokenizer()
    settings = BaseModelSettings(hidden_size=32, num_layers=1, num_heads=1)
    build_model(settings, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_from_the_hub(run, hub, tmp_path, model):
    """All commands with their default hub ids, and the files they make pass the check."""
    out = tmp_path / "out"
    put(hub.folder / "datasets" / SUBSET, subset_rows(3))
    put(hub.folder / "datasets" / COMPLETE, complete_rows(5))
    put(hub.folder / "datasets/math-ai/aime25", [{"problem": "Q?", "answer": "70"}], "test")
    (hub.folder / "models/owner").mkdir(parents=True)
    (hub.folder / "models/owner/tiny").symlink_to(model, target_is_directory=True)
    tokenizer = ("--tokenizer", model, "--max-target-length", "100")
    commands = [
        (*OPENR1, "--out", out / "subset.parquet", *tokenizer),
        (*COMPLEMENT, "--out", out / "rest.parquet", *tokenizer),
        (*BENCHMARKS, "--out", out, "aime25", "--revision", "aime25=main"),
        (*MODEL, "owner/tiny", out / "model", "--preset", "qwen2.5-math"),
    ]
    for command in commands:
        done = run(*command, **hub.environment)
        assert done.returncode == 0, done.stderr
        assert f"wrote {out}" in done.stdout
    missing = run(*BENCHMARKS, "--out", out, "math500", **hub.environment)
    assert main(["data", "check", *(str(file) for file in sorted(out.glob("*.parquet")))]) == 0
    assert [pq.read_metadata(out / f"{name}.parquet").num_rows for name in ("subset", "rest")] == [
        3,
        2,
    ]
    for name in ("subset", "rest", "aime25"):
        assert read_manifest(out / f"{name}.parquet")["source"]["revision"] == COMMIT
    assert json.loads((out / "model" / "config.json").read_text())["rope_theta"] == 40000
    assert missing.returncode == 2
    assert "error: math500: cannot read the dataset HuggingFaceH4/MATH-500: " in missing.stderr
    assert "error: not made: math500" in missing.stderr


def test_openr1_from_local_files(run, tmp_path, model):
    rows = [*subset_rows(3), subset_rows(1)[0]]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "46k.parquet")
    (tmp_path / "220k.jsonl").write_text("\n".join(map(json.dumps, complete_rows(5))))
    out = tmp_path / "out.parquet"
    done = run(*OPENR1, "--source", tmp_path / "46k.parquet", "--out", out)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["read", "4"] in lines and ["kept", "3"] in lines
    assert ["dropped:", "question", "occurs", "earlier", "1"] in lines
    assert "Demonstrations were not measured" in done.stdout and "4/4" in done.stderr
    before = out.read_bytes()
    again = run(*OPENR1, "--source", tmp_path / "46k.parquet", "--out", out)
    assert again.returncode == 2 and "exists" in again.stderr and out.read_bytes() == before
    rest = run(
        *COMPLEMENT,
        *("--source", tmp_path / "220k.jsonl", "--subset", out, "--out", tmp_path / "rest.parquet"),
        *("--tokenizer", model, "--max-target-length", "5", "--overlong", "keep", "--no-progress"),
    )
    assert rest.returncode == 0, rest.stderr
    assert "dropped: question of the subset" in rest.stdout
    assert "of these: demonstration too long, kept" in rest.stdout and "2/2" not in rest.stderr


def test_benchmarks_from_local_files(run, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps([{"prompt": "1+1?", "answer": "2"}] * 2))
    (tmp_path / "bad.json").write_text(json.dumps([{"prompt": "1+1?"}]))
    out = tmp_path / "out"
    local = [f"--local=aime24={tmp_path / 'bad.json'}", f"--local=math500={tmp_path / 'm.json'}"]
    done = run(*BENCHMARKS, "--out", out, *local)
    # One that fails does not keep the other from being made.
    assert done.returncode == 2 and "error: aime24: " in done.stderr
    assert [file.name for file in sorted(out.glob("*.parquet"))] == ["math500.parquet"]
    assert "The published set has 500 questions, this file 2." in done.stdout
    # This interpreter has nothing imported.
    again = launch(sys.executable, *BENCHMARKS, "--out", out, *local)
    assert again.returncode == 2 and "math500.parquet exists" in again.stderr


@pytest.mark.parametrize(
    "command, part",
    [
        ((*OPENR1, "--source", "/no.parquet"), "/no.parquet does not exist"),
        ((*OPENR1, "--max-target-length", "5"), "without a tokenizer"),
        ((*OPENR1, "--tokenizer", "/nowhere"), "got --tokenizer /nowhere"),
        ((*BENCHMARKS, "aime26"), "Unknown benchmark 'aime26'. Available"),
        ((*BENCHMARKS, "--local", "aime24"), "expected NAME=VALUE"),
        ((*BENCHMARKS, "--local", "x=y"), "Unknown benchmark 'x'"),
        ((*BENCHMARKS, "aime24", "--revision", "math500=v1"), "got --revision for math500; it makes only aime24"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_arguments(run, tmp_path, command, part):
    (tmp_path / "rows.json").write_text(json.dumps(subset_rows(1)))
    source = [] if "--source" in command or "benchmarks" in command else ["--source", tmp_path / "rows.json"]
    done = run(*command, *source, "--out", tmp_path / "out.parquet")
    assert done.returncode == 2, done.stdout
    assert part in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_prepare_model(run, tmp_path, model):
    out = tmp_path / "out"
    template = tmp_path / "template.jinja"
    template.write_text("Q: {{ messages[-1]['content'] }}")
    arguments = (model, out, "--preset", "qwen2.5-math", "--rope-theta", "50000")
    done = run(*MODEL, *arguments, "--chat-template", template, "--link")
    assert done.returncode == 0, done.stderr
    assert "changed config.json: max_position_embeddings: 256 -> 16384" in done.stdout
    assert "changed config.json: rope_parameters.rope_theta: 10000.0 -> 50000" in done.stdout
    assert "chat template, example 1: 'Q: What is 1+1?'" in done.stdout
    assert "note: EOS is <|im_end|> (1), padding <|endoftext|> (0)" in done.stdout
    assert "hard links to" in done.stdout
    again = run(*MODEL, *arguments)
    assert again.returncode == 2 and "exists" in again.stderr and "Traceback" not in again.stderr
    wrong = run(*MODEL, model, tmp_path / "llama", "--preset", "llama-3.1")
    assert wrong.returncode == 2 and "of type qwen2; expected llama" in wrong.stderr


def test_an_eos_that_disagrees_is_refused_and_set_in_all_files(tmp_path, capsys):
    model = write_model(tmp_path / "model", eos=IM_START, pad=None, generation=[0, 2])
    assert main([*MODEL, str(model), str(tmp_path / "out"), "--no-progress"]) == 2
    assert "--eos-token '<|im_end|>'" in capsys.readouterr().err
    options = ("--eos-token", IM_END, "--pad-token", "[UNK]", "--no-progress")
    assert main([*MODEL, str(model), str(tmp_path / "out"), *options]) == 0
    changed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("changed")]
    assert changed == [
        "changed config.json: pad_token_id: none -> 3",
        "changed generation_config.json: eos_token_id: [0, 2] -> [2, 0]",
        "changed generation_config.json: pad_token_id: none -> 3",
        "changed tokenizer_config.json: eos_token: <|im_start|> -> <|im_end|>",
        "changed tokenizer_config.json: pad_token: none -> [UNK]",
    ]
