# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Mistakes that are found before anything starts, in models, folders and prompts; and the command itself."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from hpt.common.errors import ConfigError
from hpt.evaluation.manifest import FolderError, locked, read_manifest
from hpt.evaluation.model import find_model
from hpt.evaluation.plan import prepare
from hpt.evaluation.run import evaluate, record
from hpt.evaluation.settings import EvaluationSettings
from recipe.hpt.launch import ROOT
from tests.unit.evaluation.helpers import fill, row, write


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The built-in task's tokenizer with an untrained model."""
    from recipe.hpt.reproduction.task.base_model import (
        BaseModelSettings,
        build_model,
        build_tokenizer,
    )

    folder = tmp_path_factory.mktemp("models") / "model"
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    build_model(BaseModelSettings(hidden_size=64, num_layers=1), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def settings(model, tmp_path):
    file = write(tmp_path / "tiny.parquet", [row(i) for i in range(4)])
    return EvaluationSettings(
        model=str(model), benchmarks=(str(file),), out=str(tmp_path / "out"), n=2, max_tokens=64,
        device="cpu", dtype="float32", batch_invariant=False,
    )  # fmt: skip


def changed(settings, **changes):
    return EvaluationSettings(**{**dict(settings), **changes})


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start(settings):
    """Run a launch up to its first sample."""
    plan = prepare(settings)
    with locked(plan.out):
        record(plan)
    return plan


def test_plan_of_a_new_folder(settings, tmp_path):
    plan = prepare(settings)
    (part,) = plan.parts
    assert (part.n, part.total, len(part.store.missing(2))) == (2, 8, 8)
    assert plan.max_model_len == max(map(len, part.prompts)) + 64
    assert plan.model.positions == 256
    assert not (tmp_path / "out").exists(), "nothing is written"
    from recipe.hpt.reproduction.task.base_model import build_tokenizer

    assert build_tokenizer().decode(part.prompts[3]) == "03+1x1="


def test_prompt_template_as_in_training(settings):
    from recipe.hpt.reproduction.task.base_model import build_tokenizer

    template = "(:{prompt}\n"
    (part,) = prepare(changed(settings, prompt_template=template)).parts
    text = build_tokenizer().decode(part.prompts[0])
    assert text == "(:00+1x1=\n"


def test_a_folder_goes_on_with_its_own_settings_only(settings, model, tmp_path):
    out = start(settings).out
    before = snapshot(out)
    for changes, message in (
        ({"temperature": 1.0}, "temperature: 1.0 instead of 0.6"),
        ({"top_p": 0.9}, "top_p: 0.9 instead of 0.95"),
        ({"max_tokens": 32}, "max_tokens: 32 instead of 64"),
        ({"seed": 1}, "seed: 1 instead of 0"),
        ({"prompt_template": "{prompt}x"}, "prompt_template: {prompt}x instead of null"),
        ({"dtype": "bfloat16"}, "dtype: bfloat16 instead of float32"),
    ):
        with pytest.raises(FolderError) as refused:
            prepare(changed(settings, **changes))
        assert message in str(refused.value) and str(out) in str(refused.value)
    assert snapshot(out) == before
    for changes in ({"workers": 3}, {"max_num_seqs": 7}, {"n": 5}):
        prepare(changed(settings, **changes))


def test_another_model_is_refused_and_a_moved_one_is_not(settings, model, tmp_path):
    start(settings)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    prepare(changed(settings, model=str(copy)))
    for name in ("config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"):
        whole = (copy / name).read_bytes()
        # Another byte, with which the file can still be read.
        (copy / name).write_bytes(whole + b" " if name == "config.json" else whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(FolderError, match=r"model: .*copy.* instead of"):
            prepare(changed(settings, model=str(copy)))
        (copy / name).write_bytes(whole)
    (copy / "trainer_state.json").write_text("{}")
    prepare(changed(settings, model=str(copy)))


def test_weights_that_are_not_the_models_are_refused(settings, model, tmp_path):
    """As under the names of PEFT, with which transformers would start from random weights."""
    weights = load_file(model / "model.safetensors")
    copy = shutil.copytree(model, tmp_path / "copy")
    save_file({f"base_model.model.{name}": weight for name, weight in weights.items()}, copy / "model.safetensors")
    with pytest.raises(ConfigError, match=r"got model=.*copy, .* 1[0-9] missing \(.*model.embed_tokens.weight"):
        prepare(changed(settings, model=str(copy)))
    assert not (tmp_path / "out").exists()


def test_other_questions_under_the_same_name(settings, tmp_path):
    out = start(settings).out
    before = snapshot(out)
    write(tmp_path / "tiny.parquet", [row(i) for i in range(5)])
    with pytest.raises(FolderError, match=r"tiny from .* with other questions"):
        prepare(settings)
    assert snapshot(out) == before


def test_a_benchmark_is_added_and_n_is_raised_but_not_lowered(settings, tmp_path):
    start(changed(settings, n=3))
    other = write(tmp_path / "other.parquet", [row(1, name="builtin/other")])
    plan = start(changed(settings, n=2, benchmarks=(str(other),)))
    assert {name: entry["n"] for name, entry in read_manifest(plan.out).benchmarks.items()} == {
        "tiny": 3,
        "builtin/other": 2,
    }
    both = changed(settings, n=2, benchmarks=(*settings.benchmarks, str(other)))
    assert [part.n for part in prepare(both).parts] == [3, 2]
    clash = write(tmp_path / "clash.parquet", [row(1, name="builtin_other")])
    with pytest.raises(FolderError, match="would share a file"):
        prepare(changed(settings, benchmarks=(str(clash),)))
    with pytest.raises(ConfigError, match=r"got n\.aime24=4, but no file"):
        prepare(changed(settings, n={"aime24": 4}))


def test_folders_of_something_else(settings, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    prepare(settings)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"has no manifest.json but holds notes.txt"):
        prepare(settings)
    with pytest.raises(FolderError, match="a file; expected a folder"):
        prepare(changed(settings, out=str(out / "notes.txt")))
    (out / "notes.txt").unlink()
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format_version": 9}', "of format 9"),
    ):
        (out / "manifest.json").write_text(text)
        with pytest.raises(FolderError, match=message):
            prepare(settings)
        assert (out / "manifest.json").read_text() == text


def test_one_launch_per_folder(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(FolderError, match="another launch is running"),
        locked(tmp_path),
    ):
        pass


def test_models(settings, model, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(ConfigError, match=r"a folder without config\.json"):
        find_model(str(bare))
    (bare / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="without weights"):
        find_model(str(bare))
    for absent in ("/nowhere/model", "./nowhere", "a/b/c"):
        with pytest.raises(ConfigError, match="does not exist"):
            find_model(absent)
    with pytest.raises(ConfigError, match=r"257 tokens, for a model of 256 positions"):
        prepare(changed(settings, max_tokens=250))
    with pytest.raises(ConfigError, match=r"got max_model_len=70 .* expected at least 71"):
        prepare(changed(settings, max_model_len=70))
    (bare / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="whose tokenizer cannot be loaded"):
        prepare(changed(settings, model=str(bare)))


def test_a_tokenizer_without_a_template(settings, model, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        if file.name != "chat_template.jinja":
            (copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigError, match="has no chat template, and prompt_template=null"):
        prepare(changed(settings, model=str(copy)))
    prepare(changed(settings, model=str(copy), prompt_template="{prompt}"))


def test_a_hub_id(model, tmp_path, monkeypatch):
    """A model in the hub's cache is found without a network."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    commit = "0" * 40
    cached = tmp_path / "models--some--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots").mkdir()
    os.symlink(model, cached / "snapshots" / commit)
    assert find_model("some/model").fingerprint == find_model(str(model)).fingerprint
    with pytest.raises(ConfigError, match="which is no folder and cannot be downloaded"):
        find_model("some/other")


def test_dry_run_and_what_is_there_already(settings, tmp_path, capsys):
    out, files = tmp_path / "out", set(os.listdir(ROOT))
    evaluate(settings, dry_run=True)
    shown = capsys.readouterr().out
    assert "0 of 8 exist" in shown and "nothing was started" in shown
    assert not out.exists()
    (part,) = start(settings).parts
    with part.store as store:
        gold = {f"q{i}": str(i) for i in range(4)}
        fill(store, {question: [answer, answer] for question, answer in gold.items()}, gold)
    with open(store.journal_path, "ab") as journal:
        journal.write(b'{"quest')
    evaluate(settings)  # all samples exist, so no engine is started
    said = capsys.readouterr()
    assert "8 of 8 exist" in said.out and "cut short" in said.err
    results = json.loads((out / "results.json").read_text())
    assert results["benchmarks"]["tiny"]["value"] == 1.0
    assert [path.name for path in (out / "samples").iterdir()] == ["tiny.jsonl"]
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()
    assert set(os.listdir(ROOT)) - files <= {".pytest_cache", ".hypothesis"}, "nothing beside out"


def command(*overrides, **environment):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "recipe.hpt.main_eval", "--config-name", "eval_cpu", *overrides],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["temprature=1"], "Unknown setting 'temprature'. Did you mean temperature?"),
        (["+temprature=1"], "Unknown setting 'temprature'. Did you mean temperature?"),
        (["model=x"], "out must be given"),
        (["model=/nowhere/x", "benchmarks=/nowhere/a.parquet", "out=/nowhere/o"], "/nowhere/a.parquet: does not exist"),
    ],
)  # fmt: skip
def test_refusals_are_one_message(overrides, message):
    done = command(*overrides)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert "Traceback" not in done.stderr
