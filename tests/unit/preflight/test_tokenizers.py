# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A tokenizer that disagrees with its model is refused by a run, a dry run and ``--check`` alike."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from hpt.common.errors import ConfigError
from hpt.models.templates import TEMPLATES
from hpt.preflight import command, environment
from hpt.preflight.table import Context, Status, require_steps, run_steps
from tests.helpers.checkpoints import ENDOFTEXT, IM_END, IM_START, write_model

pytestmark = pytest.mark.slow

PASS, WARN, FAIL, NOT_CHECKED = Status
CHATML = TEMPLATES["chatml"]
THINKING = CHATML.replace("assistant\\n'", "assistant\\n<think>\\n'")
NO_THINKING = CHATML.replace("assistant\\n'", "assistant\\n<think>\\n\\n</think>\\n\\n'")
QWEN = (
    "{%- if messages[0]['role'] != 'system' -%}{{ '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}{%- endif -%}"
    + CHATML
)
WANTED = ("prompt template", "model", "tokenizer", "data", "prompts", "template")
NEEDED = ("settings", "values", "section hpt", "demonstrations", "batch", *WANTED)


@pytest.fixture
def lines(configure, monkeypatch):
    """lines(model, **changes) -> the table's lines of the model, its tokenizer and the questions, and its notes.

    What fails in the table has to end a run with the same words.
    """
    monkeypatch.setattr(environment, "gpus", lambda: None)
    steps = [step for step in command.STEPS if step.name in NEEDED]

    def make(model: Path, **changes):
        changes = {"actor_rollout_ref__model__path": str(model), "data__max_prompt_length": 200, **changes}
        context = Context(configure(**changes))
        found = run_steps(steps, context)
        failures = [line for line in found if line.status is FAIL]
        if failures:
            with pytest.raises(ConfigError) as error:
                require_steps(steps, Context(configure(**changes)))
            assert failures[0].found in str(error.value) and failures[0].advice in str(error.value)
        return {name: [line for line in found if line.name == name] for name in {line.name for line in found}}, context

    return make


def status(found, name) -> list[Status]:
    return [line.status for line in found[name]]


# ---- EOS and padding ----


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "olmo2"])
def test_an_eos_that_is_not_the_models_is_refused(lines, tmp_path, architecture):
    """SmolLM2 with the EOS of a wrong copy: 1 in the tokenizer, 2 everywhere else."""
    found, context = lines(write_model(tmp_path / "model", architecture, eos=IM_START))
    (line,) = found["tokenizer"]
    assert line.status is FAIL
    assert line.found.startswith("its EOS is <|im_start|> (1), but config.json says <|im_end|> (2)")
    assert line.advice == "name the model's (hpt model prepare --eos-token '<|im_end|>')"
    assert status(found, "template") == [NOT_CHECKED] and not context.notes


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, []),
        ({"pad": None}, ["it has no padding token"]),
        ({"eos": None}, ["it has no EOS token"]),
        ({"eos": IM_END, "ends": [0, 1, 2], "generation": [0, 2]}, []),  # as LLaMA-3.1-Instruct
        ({"ends": 0, "generation": [1, 0]}, ["its EOS is <|im_end|> (2), but config.json says <|endoftext|> (0)"]),
        ({"vocab_size": 200}, []),  # rows that no token uses
    ],
)
def test_what_a_tokenizer_needs(lines, tmp_path, changes, parts):
    found, _ = lines(write_model(tmp_path / "model", **changes))
    assert status(found, "tokenizer") == ([FAIL] * len(parts) or [PASS])
    for line, part in zip(found["tokenizer"], parts, strict=False):
        assert part in line.found and line.advice


def edit(file: Path, **keys) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def test_a_base_model_keeps_its_own_eos(lines, tmp_path):
    """Qwen2.5-Math: its files say <|endoftext|>, which pads, too, and its template is that of the instruct model."""
    found, context = lines(write_model(tmp_path / "model", "qwen2", eos=ENDOFTEXT, pad=ENDOFTEXT, ends=0))
    assert status(found, "tokenizer") == [PASS, WARN, WARN]
    _, template, padding = found["tokenizer"]
    assert "the chat template ends an answer with <|im_end|> (2)" in template.found
    assert template.advice.startswith("right for a base model") and "--eos-token '<|im_end|>'" in template.advice
    assert padding.found == "its padding token is its EOS <|endoftext|>" and "by position" in padding.advice
    assert status(found, "template") == [PASS] and len(context.notes) == 4


def test_the_settings_template_is_the_one_that_counts(lines, tmp_path):
    model = write_model(tmp_path / "model", eos=ENDOFTEXT, ends=None)
    assert status(lines(model)[0], "tokenizer") == [FAIL]
    found, _ = lines(model, data__prompt_template="Q: {prompt}\nA:")
    assert status(found, "tokenizer") == [PASS, WARN]  # it pads with its EOS


def test_a_configuration_that_is_cut_off_is_named(lines, tmp_path):
    model = write_model(tmp_path / "model")
    (model / "generation_config.json").write_text('{"eos_token_id": ')
    (line,) = lines(model)[0]["tokenizer"]
    assert line.status is FAIL and "generation_config.json is not JSON" in line.found


def test_a_padding_token_beyond_the_embedding_is_refused(lines, tmp_path):
    model = write_model(tmp_path / "model", pad=None)
    last = max(AutoTokenizer.from_pretrained(model).get_vocab().values())
    raw = json.loads((model / "tokenizer.json").read_text())
    # A gap in the ids: there are as many tokens as rows.
    raw["model"]["vocab"]["<pad>"] = last + 7
    del raw["model"]["vocab"]["~"]
    (model / "tokenizer.json").write_text(json.dumps(raw))
    assert Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab_size() == last + 1
    edit(model / "tokenizer_config.json", pad_token="<pad>")
    (line,) = lines(model)[0]["tokenizer"]
    assert line.status is FAIL
    assert line.found == f"its last token is number {last + 8} and the model's embedding has {last + 1} rows"


# ---- what a template adds ----


def questions(file: Path, *demonstrations: str | None, system: bool = False) -> str:
    """Training questions, of which each stands 32 times in the file."""
    messages = [{"role": "system", "content": "Think."}] * system + [{"role": "user", "content": "1+1?"}]
    rows = [
        {
            "data_source": "hpt/equations",
            "prompt": messages,
            "reward_model": {"style": "rule", "ground_truth": "2"},
            "extra_info": {"index": number},
            "target": demonstration,
        }
        for number, demonstration in enumerate(demonstrations * 32)
    ]
    pq.write_table(pa.Table.from_pylist(rows), file)
    return str(file)


def test_a_system_message_of_the_templates_own_is_shown(lines, tmp_path):
    model = write_model(tmp_path / "model", template=QWEN)
    found, _ = lines(model)
    (line,) = found["system message"]
    assert line.status is PASS
    assert line.found == "the template adds 'You are Qwen.' to 96 of 96 questions, which have no system message"
    given = questions(tmp_path / "train.parquet", "2", "2", system=True)
    assert "system message" not in lines(model, data__train_files=given)[0]
    assert "system message" not in lines(write_model(tmp_path / "plain"))[0]


CLOSED, OPENED, BARE = "so\n</think>\n\n\\boxed{2}", "<think>\nso\n</think>\n\n\\boxed{2}", "\\boxed{2}"


@pytest.mark.parametrize(
    ("template", "demonstrations", "status_of_line", "part"),
    [
        (THINKING, (CLOSED, None), PASS, "32 demonstrations go on after the <think>"),
        (
            THINKING,
            (CLOSED, OPENED),
            FAIL,
            "32 of 64 demonstrations begin with <think>, which the template",
        ),
        (THINKING, (BARE, BARE, None), FAIL, "64 of 64 demonstrations do not close the <think>"),
        (THINKING, (CLOSED, CLOSED, BARE), WARN, "32 of 96 demonstrations do not close the <think>"),
        (NO_THINKING, (BARE, BARE), PASS, "64 demonstrations go on after the </think>"),
        (NO_THINKING, (BARE, OPENED), FAIL, "32 of 64 demonstrations begin with <think>"),
        (CHATML, (OPENED, BARE), None, ""),
    ],
)
def test_demonstrations_go_on_where_the_template_ends(lines, tmp_path, template, demonstrations, status_of_line, part):
    model = write_model(tmp_path / "model", template=template)
    given = questions(tmp_path / "train.parquet", *demonstrations)
    found, _ = lines(model, data__train_files=given)
    assert status(found, "thinking") == [status_of_line] if status_of_line else "thinking" not in found
    for line in found.get("thinking", []):
        assert part in line.found
        assert ("data.prompt_template" in line.advice) is (line.status is not PASS)
        assert ("--think strip" in line.advice) is (template == NO_THINKING and line.status is FAIL)


def test_a_method_without_demonstrations_reads_none(lines, tmp_path):
    model = write_model(tmp_path / "model", template=THINKING)
    given = questions(tmp_path / "train.parquet", OPENED, BARE)
    assert "thinking" not in lines(model, data__train_files=given, hpt__strategy="rl_only")[0]


def test_a_run_says_what_the_template_adds(tmp_path, configure, monkeypatch, capsys):
    monkeypatch.setattr(environment, "gpus", lambda: None)
    model = write_model(tmp_path / "model", template=QWEN)
    command.require(configure(actor_rollout_ref__model__path=str(model), data__max_prompt_length=120))
    assert "system message: the template adds 'You are Qwen.'" in capsys.readouterr().err
