# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tokenizer and base model of the built-in task, with a model trained for a few steps only."""

import json
import warnings

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe.hpt.reproduction.task import base_model as builtin_model
from recipe.hpt.reproduction.task.base_model import (
    EOS,
    PAD,
    BaseModelSettings,
    accuracy_table,
    build_model,
    build_tokenizer,
    greedy_texts,
    read_manifest,
    supervised_batch,
    train_base_model,
)
from recipe.hpt.reproduction.task.questions import (
    MAX_SOLUTION_TOKENS,
    VAL_LEVELS,
    Problem,
    all_problems,
    question_text,
    solution_text,
)

TINY = BaseModelSettings(steps=3, batch_size=4, hidden_size=32, num_layers=1, num_heads=1,
                         eval_per_level=2)  # fmt: skip
FULL_TEXT = r"37+8x3=3:37+8,2:45+8,1:53+8,0:61 \boxed{61}"


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("base") / "model"
    return model_dir, train_base_model(model_dir, TINY, threads=1, progress=False)


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


def test_text_survives_the_tokenizer(tokenizer):
    for text in (FULL_TEXT, "7=", r"\boxed{7}", " \n,", r"\boxed{1}\boxed{2}"):
        ids = encode(tokenizer, text)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert len(encode(tokenizer, FULL_TEXT)) == len(FULL_TEXT) - len("boxed") + 1


def test_what_verl_asks_of_a_qwen_tokenizer(tokenizer):
    from verl.utils.tokenizer.continuous_token import QwenContinuousTokenBuilder

    assert len(encode(tokenizer, "\n")) == 1
    assert encode(tokenizer, EOS) == [tokenizer.eos_token_id]
    assert encode(tokenizer, PAD) == [tokenizer.pad_token_id]
    builder = QwenContinuousTokenBuilder(tokenizer)
    message = [{"role": "user", "content": "37+5x1="}]
    assert builder.build_initial_tokens(message) == encode(tokenizer, "37+5x1=")


@pytest.mark.parametrize("generation_prompt", [False, True])
def test_the_chat_template_renders_the_content_only(tokenizer, generation_prompt):
    message = [{"role": "user", "content": "37+5x1="}]
    rendered = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=generation_prompt)
    assert rendered == "37+5x1="


def test_gold_solutions_fit_the_documented_bound(tokenizer):
    longest = max(
        len(encode(tokenizer, solution_text(problem))) + 1 for problem in all_problems(max(VAL_LEVELS), held_out=True)
    )
    assert longest <= MAX_SOLUTION_TOKENS


def test_vocabulary_of_the_model_is_that_of_the_tokenizer(tokenizer):
    model = build_model(TINY, tokenizer)
    assert model.config.vocab_size == len(tokenizer) == 36
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_default_model_has_the_documented_size(tokenizer):
    assert 0.6e6 < build_model(BaseModelSettings(), tokenizer).num_parameters() < 0.7e6


def test_supervised_batch_scores_solution_and_end_only(tokenizer):
    questions = [Problem(37, 5, 1), Problem(7, 5, 3)]
    ids, labels = supervised_batch(questions, tokenizer)
    for row_ids, row_labels, problem in zip(ids, labels, questions, strict=True):
        scored = row_labels != -100
        assert torch.equal(row_ids[scored], row_labels[scored])
        assert tokenizer.decode(row_labels[scored]) == solution_text(problem) + EOS
        start = int(scored.int().argmax())
        assert tokenizer.decode(row_ids[:start]) == question_text(problem)
        assert (row_ids[start + int(scored.sum()) :] == tokenizer.pad_token_id).all()
    assert ids.shape[1] == len(encode(tokenizer, "07+5x3=" + solution_text(Problem(7, 5, 3)))) + 1


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


def test_left_padding_does_not_change_a_greedy_answer(saved):
    model_dir, _ = saved
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    together = greedy_texts(model, tokenizer, ["01+1x1=", "37+5x3="], max_new_tokens=8)
    assert together[0] == greedy_texts(model, tokenizer, ["01+1x1="], max_new_tokens=8)[0]


def test_training_learns_and_is_reproducible(tokenizer):
    settings = BaseModelSettings(steps=60, batch_size=16, levels=(1,), hidden_size=32, num_layers=1, num_heads=1)
    losses, weights = [], []
    for _ in range(2):
        model = build_model(settings, tokenizer)
        losses.append(builtin_model.fit(model, tokenizer, settings, progress=False))
        weights.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    assert losses[0] == losses[1] and torch.equal(*weights)
    assert losses[0] < 2.0  # nats; a uniform guess costs log 27 = 3.3


def test_building_leaves_the_global_random_state_alone(tokenizer):
    before = torch.get_rng_state()
    build_model(TINY, tokenizer)
    assert torch.equal(before, torch.get_rng_state())


def test_second_call_does_not_train(saved, monkeypatch):
    model_dir, manifest = saved
    monkeypatch.setattr(builtin_model, "fit", lambda *_: pytest.fail("trained again"))
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
    other = BaseModelSettings(**{**builtin_model.asdict(TINY), "seed": 7})
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
        patch.setattr(builtin_model.Qwen2Tokenizer, "save_pretrained", interrupted)
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
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        train_base_model(tmp_path, TINY, progress=False)
    assert precious.read_text() == "years of work"


def test_settings_are_checked():
    with pytest.raises(ValueError, match="must be positive"):
        BaseModelSettings(steps=0)
    with pytest.raises(ValueError, match="at least one level"):
        BaseModelSettings(levels=())


def test_command_line_writes_task_and_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(builtin_model, "train_base_model", lambda path, *_: {
        "parameters": 1, "accuracy": {"1": 1.0, "8": 0.0}, "path": path
    })  # fmt: skip
    builtin_model.main(["--out", str(tmp_path), "--train-size", "12", "--val-per-level", "2"])
    assert (tmp_path / "train.parquet").is_file() and (tmp_path / "val.parquet").is_file()
    assert "1.00" in capsys.readouterr().out
