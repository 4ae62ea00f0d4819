# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What ends a response, in checkpoints whose parts agree and in those whose parts do not."""

import json
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from hpt.models.edits import Settings
from hpt.models.endings import read_endings
from hpt.models.prepare import prepare
from hpt.models.templates import TEMPLATES, opened_thinking, system_prompt
from tests.helpers.checkpoints import ENDOFTEXT, IM_END, IM_START, write_model

CHATML = TEMPLATES["chatml"]
# Qwen2.5-Instruct's, without tools.
QWEN = (
    "{%- if messages[0]['role'] != 'system' -%}"
    "{{ '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud.<|im_end|>\\n' }}{%- endif -%}" + CHATML
)
# As LLaMA-3.1's: a date before every system message, and a system message without content where there is none.
DATED = (
    "{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: 26 Jul 2024\\n' + system + '<|im_end|>\\n' }}"
    "{%- for m in messages if m['role'] != 'system' -%}{{ '<|im_start|>' + m['content'] + '<|im_end|>' }}{%- endfor -%}"
)
NO_SYSTEM = "{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('no') }}{%- endif -%}" + CHATML
THINKING = CHATML.replace("assistant\\n'", "assistant\\n<think>\\n'")
FIELD_CASE = {"eos": IM_START, "pad": None}
BASE = {"eos": ENDOFTEXT, "ends": 0}  # as Qwen2.5-Math: the template is that of the instruct model


def run(folder: Path, settings: Settings, out: str = "out"):
    return folder.parent / out, prepare(folder, folder.parent / out, settings, progress=False)


def refused(folder: Path, settings: Settings) -> str:
    with pytest.raises(ValueError) as error:
        run(folder, settings)
    assert not (folder.parent / "out").exists()
    return str(error.value)


def content(folder: Path, file: str) -> dict:
    return json.loads((folder / file).read_text())


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "olmo2", "gemma2"])
@pytest.mark.parametrize("tied", [True, False])
def test_an_eos_that_nothing_else_names_is_refused_and_mended(tmp_path, architecture, tied):
    model = write_model(tmp_path / "model", architecture, **FIELD_CASE, tie_word_embeddings=tied)
    message = refused(model, Settings())
    assert (
        "its EOS is <|im_start|> (1), but config.json says <|im_end|> (2) and generation_config.json says <|im_end|> "
        "(2) and the chat template ends an answer with <|im_end|> (2)"
    ) in message
    assert message.endswith("--eos-token '<|im_end|>'")
    out, done = run(model, Settings(eos_token=IM_END))
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert (tokenizer.eos_token, tokenizer.eos_token_id, tokenizer.pad_token) == (IM_END, 2, ENDOFTEXT)
    assert read_endings(out, tokenizer).disagreement is None
    assert set(done.changes) == {
        "tokenizer_config.json: eos_token: <|im_start|> -> <|im_end|>",
        "tokenizer_config.json: pad_token: none -> <|endoftext|>",
        "config.json: pad_token_id: none -> 0",
        "generation_config.json: pad_token_id: none -> 0",
    }


def test_an_eos_is_set_in_every_file_that_names_one(tmp_path):
    model = write_model(tmp_path / "model", eos=ENDOFTEXT, pad="[UNK]", ends=0, generation=[1, 0])
    (model / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": ENDOFTEXT, "lstrip": False}}))
    out, done = run(model, Settings(eos_token=IM_END))
    assert set(done.changes) == {
        "tokenizer_config.json: eos_token: <|endoftext|> -> <|im_end|>",
        "special_tokens_map.json: eos_token: {'content': '<|endoftext|>', 'lstrip': False} -> <|im_end|>",
        "config.json: eos_token_id: 0 -> 2",
        "generation_config.json: eos_token_id: [1, 0] -> [2, 1, 0]",
    }
    assert AutoConfig.from_pretrained(out).eos_token_id == 2
    assert GenerationConfig.from_pretrained(out).eos_token_id == [2, 1, 0]
    _, done = run(out, Settings(eos_token=IM_END), out="again")
    assert done.changes == []


@pytest.mark.parametrize("legacy", [True, False])
def test_transformers_reads_the_new_eos_from_old_and_new_tokenizers(tmp_path, legacy):
    """Where tokenizer_config.json lists no added tokens, special_tokens_map.json goes before it."""
    model = write_model(tmp_path / "model", **FIELD_CASE)
    config = content(model, "tokenizer_config.json")
    if legacy:
        (model / "special_tokens_map.json").write_text(json.dumps({"eos_token": IM_START}))
    else:
        config["added_tokens_decoder"] = {"1": {"content": IM_START, "special": True}}
        config["eos_token"] = {"__type": "AddedToken", "content": IM_START, "special": True}
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    out, _ = run(model, Settings(eos_token=IM_END))
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.eos_token_id == 2
    assert (
        tokenizer.decode(tokenizer(f"4{IM_END}", add_special_tokens=False)["input_ids"], skip_special_tokens=True)
        == "4"
    )


def test_without_a_generation_config_none_is_written(tmp_path):
    model = write_model(tmp_path / "model", **FIELD_CASE)
    (model / "generation_config.json").unlink()
    out, done = run(model, Settings(eos_token=IM_END))
    assert not (out / "generation_config.json").exists()
    assert "config.json: pad_token_id: none -> 0" in done.changes


@pytest.mark.parametrize("token", ["<|eot|>", "<|im_end|"])
def test_an_eos_without_an_embedding_is_refused(tmp_path, token):
    message = refused(write_model(tmp_path / "model"), Settings(eos_token=token))
    assert f"got EOS token {token!r} that the tokenizer knows" in message and "--eos-token" in message
    assert "<|im_end|>" in message


def test_a_tokenizer_without_eos_gets_one(tmp_path):
    model = write_model(tmp_path / "model", eos=None)
    assert "name one with --eos-token" in refused(model, Settings())
    out, done = run(model, Settings(eos_token=IM_END))
    assert done.changes == ["tokenizer_config.json: eos_token: none -> <|im_end|>"]
    assert AutoTokenizer.from_pretrained(out).eos_token_id == 2


# ---- what is a mistake, and what is a choice ----

# (the model, whether it is refused, what the message or the note says, the token that mends it)
CASES = {
    "all agree": ({}, False, None, None),
    "one of several": ({"generation": [0, 2], "ends": [1, 2]}, False, None, None),
    "base model": (BASE, False, "the chat template ends an answer with <|im_end|> (2)", IM_END),
    "base model, wrong EOS": ({"eos": IM_START, "ends": 0}, True, "config.json says <|endoftext|> (0)", ENDOFTEXT),
    "not in config.json": ({"ends": 0, "generation": 2}, False, "config.json says <|endoftext|> (0)", IM_END),
    "not in generation_config.json": (
        {"ends": 2, "generation": [0, 1]},
        False,
        "generation_config.json says <|endoftext|> (0) or <|im_start|> (1)",
        IM_END,
    ),
    "in the template alone": ({"ends": 0}, True, "config.json says <|endoftext|> (0)", IM_END),
    "template against the tokenizer": ({"ends": None, "eos": ENDOFTEXT}, True, "<|im_end|> (2)", IM_END),
    "tokenizer alone": ({"ends": None, "template": TEMPLATES["plain"]}, False, None, None),
    "no such token": ({"ends": 5000}, True, "config.json says an unknown token (5000)", IM_END),
    "template of questions alone": ({"template": TEMPLATES["question-answer"]}, False, None, None),
    "broken template": ({"template": "{{ messages[1]['content'] + 1 }}"}, False, None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused(tmp_path, case):
    changes, refuted, part, remedy = CASES[case]
    model = write_model(tmp_path / "model", **changes)
    endings = read_endings(model, AutoTokenizer.from_pretrained(model))
    assert endings.refuted is refuted
    assert (part in endings.disagreement) if part else endings.disagreement is None
    assert remedy is None or endings.remedy == remedy
    if refuted:
        assert remedy in refused(model, Settings())
        run(model, Settings(eos_token=remedy))  # and what the message advises is accepted
    elif case != "broken template":
        _, done = run(model, Settings())
        assert any(note.startswith("its EOS is") for note in done.notes) is (part is not None)


def test_another_template_takes_the_place_of_the_tokenizers(tmp_path):
    model = write_model(tmp_path / "model", **BASE)
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert read_endings(model, tokenizer).turn == 2
    assert read_endings(model, tokenizer, TEMPLATES["question-answer"]).turn is None


def test_the_end_of_a_turn_is_the_first_special_token_after_the_answer(tmp_path):
    template = "{% for m in messages %}<|im_start|>{{ m['content'] }} \n{{ eos_token }}<|endoftext|>{% endfor %}"
    model = write_model(tmp_path / "model", template=template)
    assert read_endings(model, AutoTokenizer.from_pretrained(model)).turn == 2


# ---- padding ----


@pytest.mark.parametrize(("changes", "pad", "part"), [({}, IM_END, "which is EOS"), (BASE, IM_END, "ends an answer")])
def test_padding_that_ends_an_answer_is_refused(tmp_path, changes, pad, part):
    message = refused(write_model(tmp_path / "model", **changes), Settings(pad_token=pad))
    assert f"got padding token {pad!r}" in message and part in message and "--pad-token" in message


def test_padding_is_not_the_new_eos(tmp_path):
    model = write_model(tmp_path / "model", eos=IM_START, pad=None)
    out, _ = run(model, Settings(eos_token=ENDOFTEXT, pad_token="[UNK]"))
    assert AutoTokenizer.from_pretrained(out).pad_token == "[UNK]"
    assert "no padding token that the tokenizer knows" in refused_to(model, Settings(eos_token=ENDOFTEXT))


def refused_to(model: Path, settings: Settings) -> str:
    with pytest.raises(ValueError) as error:
        run(model, settings, out="elsewhere")
    return str(error.value)


# ---- what a template adds ----


@pytest.mark.parametrize(
    ("template", "added"),
    [
        (QWEN, "You are Qwen, created by Alibaba Cloud."),
        (DATED, "Today Date: 26 Jul 2024"),
        (NO_SYSTEM, ""),
        *((text, "") for text in TEMPLATES.values()),
    ],
)
def test_a_system_message_of_the_templates_own_is_found_and_said(tmp_path, template, added):
    model = write_model(tmp_path / "model", template=template)
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert added == system_prompt(
        lambda messages: tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    )
    _, done = run(model, Settings())
    said = [note for note in done.notes if "adds a system message" in note]
    assert [repr(added) in note for note in said] == ([True] if added else [])


def test_a_template_that_opens_thinking_is_noted(tmp_path):
    _, done = run(write_model(tmp_path / "model", template=THINKING), Settings())
    assert any("opens <think> in the prompt" in note for note in done.notes)
    _, done = run(write_model(tmp_path / "other"), Settings(), out="plain")
    assert not any("<think>" in note for note in done.notes)


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [("Q\n<think>\n", "<think>"), ("Q<think>\n\n</think>\n\n", "</think>"), ("Write <think> first. Q", None)],
)
def test_only_the_end_of_a_prompt_opens_thinking(prompt, tag):
    assert opened_thinking(prompt) == tag
