# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The base model on disk: what is kept, replaced and refused; and the command that makes it."""

import json
import warnings
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Tokenizer

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.task import base_model
from recipe.hpt.reproduction.task.base_model import accuracy_table, read_manifest, train_base_model
from recipe.hpt.reproduction.task.questions import VAL_LEVELS
from recipe.hpt.reproduction.task.training import greedy_texts
from tests.unit.reproduction.task.tiny import FULL_TEXT, TINY, encode


def test_checkpoint_loads_through_the_auto_classes(saved, monkeypatch, caplog):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model_dir, manifest = saved
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = AutoTokenizer.from_pretrained(model_dir)
        model = AutoModelForCausalLM.from_pretrained(model_dir)
    assert not caplog.records
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)
    assert manifest["parameters"] == model.num_parameters()
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.decode(encode(tokenizer, FULL_TEXT)) == FULL_TEXT
    assert len(encode(tokenizer, "\n")) == 1
    message = [{"role": "user", "content": "37+5x1="}]
    assert tokenizer.apply_chat_template(message, tokenize=False) == "37+5x1="
    texts = greedy_texts(model, tokenizer, ["01+1x1=", "37+5x3="], max_new_tokens=4)
    assert len(texts) == 2


def test_second_call_does_not_train(saved, monkeypatch):
    model_dir, manifest = saved
    monkeypatch.setattr(base_model, "fit", lambda *_: pytest.fail("trained again"))
    assert train_base_model(model_dir, TINY, progress=False) == manifest
    assert sorted(path.name for path in model_dir.parent.iterdir()) == ["model"]


def test_manifest_tells_what_was_trained(saved):
    model_dir, manifest = saved
    assert manifest == json.loads((model_dir / "manifest.json").read_text())
    assert manifest["settings"]["levels"] == [1, 2] and manifest["settings"]["steps"] == 3
    assert list(manifest["accuracy"]) == [str(level) for level in VAL_LEVELS]
    assert all(0 <= value <= 1 for value in manifest["accuracy"].values())
    assert manifest["final_loss"] > 0
    assert "accuracy" in accuracy_table(manifest)


def test_other_settings_replace_the_model(tmp_path):
    model_dir = tmp_path / "model"
    first = train_base_model(model_dir, TINY, threads=1, progress=False)
    other = replace(TINY, seed=7)
    assert read_manifest(model_dir, other) is None
    second = train_base_model(model_dir, other, threads=1, progress=False)
    assert second["fingerprint"] != first["fingerprint"]
    assert read_manifest(model_dir) == second
    assert list(tmp_path.iterdir()) == [model_dir]


def test_interrupted_write_is_not_cached(tmp_path, monkeypatch):
    model_dir = tmp_path / "model"

    def interrupted(*_):
        raise KeyboardInterrupt

    # After the weights are saved and before the manifest: the worst moment.
    with monkeypatch.context() as patch:
        patch.setattr(Qwen2Tokenizer, "save_pretrained", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_base_model(model_dir, TINY, threads=1, progress=False)
    assert list(tmp_path.iterdir()) == []
    manifest = train_base_model(model_dir, TINY, threads=1, progress=False)
    assert read_manifest(model_dir, TINY) == manifest


def test_truncated_copy_is_not_cached_and_is_repaired(tmp_path):
    model_dir = tmp_path / "model"
    train_base_model(model_dir, TINY, threads=1, progress=False)
    weights = model_dir / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    assert read_manifest(model_dir) is None
    train_base_model(model_dir, TINY, threads=1, progress=False)
    assert weights.read_bytes() == whole


def test_foreign_directories_are_never_replaced(tmp_path):
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        train_base_model(tmp_path, TINY, progress=False)
    assert precious.read_text() == "years of work"


def test_command_line_writes_task_and_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(base_model, "train_base_model", lambda path, *_: {
        "parameters": 1, "accuracy": {"1": 1.0, "8": 0.0}, "path": path
    })  # fmt: skip
    assert base_model.main(["--out", str(tmp_path), "--train-size", "12", "--val-per-level", "2"]) == 0
    assert (tmp_path / "train.parquet").is_file() and (tmp_path / "val.parquet").is_file()
    assert "1.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "0"), "steps=0"),
        (("--train-size", "0"), "got train_size=0"),
        (("--train-size", "12", "--val-per-level", "2"), "thesis.tex"),
    ],
)
def test_the_command_refuses_wrong_settings_in_one_line(tmp_path, capsys, arguments, message):
    (tmp_path / "base_model").mkdir()
    (tmp_path / "base_model" / "thesis.tex").write_text("years of work")
    assert base_model.main(["--out", str(tmp_path), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
