# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The real transformers loads tiny checkpoints before and after their preparation."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from hpt.common.errors import ConfigError
from hpt.models import prepare as module
from hpt.models.edits import Settings
from hpt.models.prepare import PRESETS, fetch, prepare
from hpt.models.rope import set_max_positions, set_rope_theta
from hpt.models.templates import TEMPLATES, template_of
from recipe.hpt.reproduction.task.base_model import build_tokenizer

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
HEAD = 16
MATH = PRESETS["qwen2.5-math"]
LLAMA_PAD = "<|finetune_right_pad_id|>"
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def edit(folder: Path, name: str = "config.json", **changes) -> None:
    """Set keys of a JSON file; None removes one."""
    content = json.loads((folder / name).read_text()) | changes
    content = {key: value for key, value in content.items() if value is not None}
    (folder / name).write_text(json.dumps(content))


def old_style(folder: Path, theta: float, scaling: dict | None = None) -> None:
    """Write the config as transformers 4 does: rope_theta and rope_scaling at the top level."""
    edit(folder, rope_parameters=None, rope_theta=theta, rope_scaling=scaling, layer_types=None)


@pytest.fixture
def qwen(tmp_path) -> Path:
    folder = tmp_path / "source"
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        rope_parameters={"rope_type": "default", "rope_theta": 10000},
        sliding_window=4096,
        use_sliding_window=False,
        **SIZES,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "LICENSE").write_text("as it was")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("not copied")
    (folder / ".gitattributes").write_text("not copied")
    edit(folder, "generation_config.json")  # in other white space than ours
    return folder


@pytest.fixture
def llama(tmp_path) -> Path:
    """A checkpoint like LLaMA-3.1's base model: no chat template, no padding token, a reserved token for it."""
    folder = tmp_path / "source"
    specials = ["<|begin_of_text|>", "<|end_of_text|>", LLAMA_PAD]
    # A WordLevel tokenizer over the bytes of the templates' texts.
    pieces = [*specials, "[UNK]", *(chr(i) for i in range(32, 127)), "\n"]
    raw = Tokenizer(models.WordLevel({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.add_special_tokens(specials)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=specials[0], eos_token=specials[1])
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        rope_parameters={"rope_theta": 500000.0, **LLAMA3},
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        **{**SIZES, "max_position_embeddings": 131072},
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def run(source: Path, settings: Settings = MATH, out: str = "out", **options):
    target = source.parent / out
    before = hashes(source)
    done = prepare(source, target, settings, progress=False, **options)
    assert hashes(source) == before
    return target, done


def refused(source: Path, settings: Settings = MATH) -> str:
    with pytest.raises(ValueError) as error:
        prepare(source, source.parent / "out", settings, progress=False)
    assert [each.name for each in source.parent.iterdir()] == [source.name]
    return str(error.value)


def frequencies(folder: Path) -> torch.Tensor:
    """The rotation frequencies of the loaded model, of shape (head size / 2,)."""
    return AutoModelForCausalLM.from_pretrained(folder).model.rotary_emb.inv_freq


def expected_frequencies(theta: float) -> torch.Tensor:
    return theta ** -(torch.arange(0, HEAD, 2) / HEAD)


# ---- positions ----


@pytest.mark.parametrize("style", ["old", "new", "both"])
def test_qwen2_5_math(qwen, style):
    if style == "old":
        old_style(qwen, 10000)
    elif style == "both":
        edit(qwen, rope_theta=10000)
    torch.testing.assert_close(frequencies(qwen), expected_frequencies(10000))
    out, done = run(qwen)
    torch.testing.assert_close(frequencies(out), expected_frequencies(40000))
    config = AutoConfig.from_pretrained(out)
    assert config.max_position_embeddings == 16384 and config.rope_parameters["rope_type"] == "default"
    # Transformers 4 and older vLLM look here.
    assert json.loads((out / "config.json").read_text())["rope_theta"] == 40000
    assert "config.json: max_position_embeddings: 4096 -> 16384" in done.changes
    if style != "new":
        assert "config.json: rope_theta: 10000 -> 40000" in done.changes
    if style != "old":
        assert "config.json: rope_parameters.rope_theta: 10000 -> 40000" in done.changes


@pytest.mark.parametrize("style", ["old", "new"])
def test_vllm_reads_the_same(qwen, style):
    vllm = pytest.importorskip("vllm.transformers_utils.config")
    if style == "old":
        old_style(qwen, 10000)
    out, _ = run(qwen)
    config = vllm.get_config(str(out), trust_remote_code=False)
    assert config.rope_parameters["rope_theta"] == 40000
    assert config.max_position_embeddings == 16384


def test_weights_and_everything_else_stay_byte_for_byte(qwen):
    before = hashes(qwen)
    out, _ = run(qwen)
    after = hashes(out)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"config.json", "tokenizer_config.json", "preparation.json"}
    assert set(before) - set(after) == {".git/HEAD", ".gitattributes"}
    old = json.loads((qwen / "config.json").read_text())
    new = json.loads((out / "config.json").read_text())
    different = {key for key in new if old.get(key) != new[key]}
    assert different == {"rope_theta", "rope_parameters", "max_position_embeddings"}
    record = json.loads((out / "preparation.json").read_text())
    assert record["settings"]["rope_theta"] == 40000
    assert "config.json: rope_parameters.rope_theta: 10000 -> 40000" in record["changes"]


def test_the_model_computes_the_same_but_for_its_positions(qwen):
    out, _ = run(qwen)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        one, other = (AutoModelForCausalLM.from_pretrained(folder)(ids).logits for folder in (qwen, out))
    torch.testing.assert_close(one[:, 0], other[:, 0])  # position 0 is not turned
    assert not torch.allclose(one[:, -1], other[:, -1])


def test_a_second_preparation_changes_nothing(qwen):
    first, _ = run(qwen)
    second, done = run(first, out="again")
    assert done.changes == []
    without_record = [
        {name: digest for name, digest in hashes(each).items() if name != "preparation.json"}
        for each in (first, second)
    ]
    assert without_record[0] == without_record[1]


def test_links_and_copies(qwen):
    weights = "model.safetensors"
    copied, _ = run(qwen)
    linked, _ = run(qwen, out="linked", link=True)
    assert not os.path.samefile(copied / weights, qwen / weights)
    assert os.path.samefile(linked / weights, qwen / weights)
    assert not os.path.samefile(linked / "config.json", qwen / "config.json")
    assert hashes(copied) == hashes(linked)


def test_a_snapshot_of_symbolic_links(qwen, tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in qwen.iterdir():
        if file.is_file():
            (snapshot / file.name).symlink_to(file)
    for link in (False, True):
        out, _ = run(snapshot, out=f"out{link}", link=link)
        assert not any(file.is_symlink() for file in out.iterdir())
        torch.testing.assert_close(frequencies(out), expected_frequencies(40000))


def test_the_limit_of_a_tokenizer_is_raised(qwen):
    out, done = run(qwen)
    assert "tokenizer_config.json: model_max_length: 256 -> 16384" in done.changes
    assert AutoTokenizer.from_pretrained(out).model_max_length == 16384


@pytest.mark.parametrize("style", ["old", "new"])
def test_scaled_embeddings_are_left_alone(llama, style):
    if style == "old":
        old_style(llama, 500000.0, LLAMA3)
    before = frequencies(llama)
    message = refused(llama, Settings(rope_theta=40000))
    assert "scaled rotary embeddings" in message and "llama3" in message
    assert "leave max_position_embeddings as it is" in refused(llama, Settings(max_position_embeddings=16384))
    out, _ = run(llama, PRESETS["llama-3.1"])
    torch.testing.assert_close(frequencies(out), before)


def test_a_sliding_window_must_not_be_shorter(qwen):
    edit(qwen, use_sliding_window=True, sliding_window=4096, max_window_layers=1, layer_types=None)
    message = refused(qwen)
    assert "sliding window of 4096 tokens" in message and "use_sliding_window" in message
    edit(qwen, sliding_window=16384)
    run(qwen)


@pytest.mark.parametrize(
    "config, part",
    [
        ({"hidden_size": 1}, "neither rope_theta nor rope_parameters"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1}}}, "per kind of layer"),
        ({"rope_theta": 1, "rope_scaling": {"type": "yarn"}}, "rope_scaling: yarn"),
    ],
)
def test_rope_that_cannot_be_set(config, part):
    before = json.dumps(config)
    with pytest.raises(ValueError, match=part):
        set_rope_theta(config, 40000)
    assert json.dumps(config) == before


@pytest.mark.parametrize("theta", [0, -1, True])
def test_bad_theta(theta):
    with pytest.raises(ValueError, match="expected a number > 0"):
        set_rope_theta({"rope_theta": 1}, theta)


@pytest.mark.parametrize(
    "config, value, part",
    [({}, 5, "no max_position"), ({"max_position_embeddings": 1}, 0, "whole number >= 1")],
)
def test_bad_positions(config, value, part):
    with pytest.raises(ValueError, match=part):
        set_max_positions(config, value)


# ---- chat template and padding ----


def test_llama_gets_its_template_and_padding_token(llama):
    assert AutoTokenizer.from_pretrained(llama).pad_token is None
    out, done = run(llama, PRESETS["llama-3.1"])
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert (tokenizer.pad_token, tokenizer.eos_token) == (LLAMA_PAD, "<|end_of_text|>")
    pad = tokenizer.pad_token_id
    assert AutoConfig.from_pretrained(out).pad_token_id == pad == 2
    if (out / "generation_config.json").exists():
        assert json.loads((out / "generation_config.json").read_text())["pad_token_id"] == pad
    assert done.examples[0] == (
        "Question:\nWhat is 1+1?\nPlease reason step by step, and put your final answer within \\boxed{}.\n"
        "Answer:\nLet's think step by step."
    )
    assert len(done.examples) == 2
    assert {
        "chat_template.jinja: none -> question-answer",
        "tokenizer_config.json: chat_template: none -> question-answer",
        f"tokenizer_config.json: pad_token: none -> {LLAMA_PAD}",
        "config.json: pad_token_id: none -> 2",
        "generation_config.json: pad_token_id: none -> 2",
    } == set(done.changes)


def test_a_known_padding_token_is_found_but_never_eos(llama):
    out, _ = run(llama, Settings(chat_template="plain"))
    assert AutoTokenizer.from_pretrained(out).pad_token == LLAMA_PAD
    config = llama / "tokenizer_config.json"
    edit(llama, config.name, eos_token=LLAMA_PAD)
    with pytest.raises(ValueError, match="no padding token that the tokenizer knows") as error:
        prepare(llama, llama.parent / "other", Settings(), progress=False)
    assert "--pad-token" in str(error.value) and "<|end_of_text|>" in str(error.value)


def test_a_note_on_eos_as_padding(llama):
    edit(llama, "tokenizer_config.json", pad_token="<|end_of_text|>")
    _, done = run(llama, Settings(chat_template="plain"))
    assert any("the padding token is EOS" in note for note in done.notes)
    _, done = run(llama, Settings(chat_template="plain", pad_token=LLAMA_PAD), out="other")
    assert not any("the padding token is EOS" in note for note in done.notes)


def test_a_padding_token_without_an_embedding_is_refused(llama):
    message = refused(llama, Settings(pad_token="<|new|>"))
    assert "padding token '<|new|>' that the tokenizer knows" in message


def test_padding_that_is_there_stays_unless_another_is_named(qwen):
    out, done = run(qwen)
    assert not any("pad_token" in change for change in done.changes)
    out, done = run(qwen, Settings(pad_token="0"), out="other")
    number = AutoTokenizer.from_pretrained(out).pad_token_id
    assert AutoTokenizer.from_pretrained(out).pad_token == "0"
    assert "tokenizer_config.json: pad_token: <|endoftext|> -> 0" in done.changes
    assert f"config.json: pad_token_id: none -> {number}" in done.changes


@pytest.mark.parametrize("name", TEMPLATES)
def test_named_templates(llama, name):
    out, done = run(llama, Settings(chat_template=name))
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.chat_template == TEMPLATES[name]
    messages = [{"role": "user", "content": "2+2?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text.count("2+2?") == 1
    assert "What is 1+1?" in done.examples[0] and "What is 2+2?" in done.examples[1]


def test_chatml_is_qwens_format(llama):
    _, done = run(llama, Settings(chat_template="chatml"))
    assert done.examples[1] == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_from_a_file_replaces_the_old_one_wherever_it_is(qwen, tmp_path_factory):
    file = tmp_path_factory.mktemp("template") / "own.jinja"
    file.write_text("Q: {{ messages[-1]['content'] }} A:")
    edit(qwen, "tokenizer_config.json", chat_template="old")
    out, done = run(qwen, Settings(chat_template=str(file)))
    assert done.examples == ["Q: What is 1+1? A:", "Q: What is 2+2? A:"]
    assert (out / "chat_template.jinja").read_text() == file.read_text()
    assert json.loads((out / "tokenizer_config.json").read_text())["chat_template"] == file.read_text()
    assert done.changes == [
        f"chat_template.jinja: replaced by {file}",
        f"tokenizer_config.json: chat_template: replaced by {file}",
    ]


def test_a_note_on_a_missing_template(llama):
    _, done = run(llama, Settings())
    assert any("there is no chat template" in note for note in done.notes) and done.examples == []


@pytest.mark.parametrize(
    "template, part",
    [
        ("{{ messages[", "does not render a question"),
        ("{{ raise_exception('no') }}", "does not render a question: no"),
        ("always the same", "leaves out the question"),
    ],
)
def test_a_template_that_does_not_work(llama, tmp_path_factory, template, part):
    file = tmp_path_factory.mktemp("template") / "own.jinja"
    file.write_text(template)
    assert part in refused(llama, Settings(chat_template=str(file)))


def test_a_note_on_a_template_without_system_messages(llama, tmp_path_factory):
    file = tmp_path_factory.mktemp("template") / "own.jinja"
    file.write_text(
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )
    _, done = run(llama, Settings(chat_template=str(file)))
    assert len(done.examples) == 1
    assert any("does not render messages of system and user: no system" in n for n in done.notes)


def test_unknown_templates(tmp_path):
    with pytest.raises(ValueError, match="a name: question-answer, chatml, plain"):
        template_of("qwen")
    (tmp_path / "empty").write_text(" ")
    with pytest.raises(ValueError, match="is empty"):
        template_of(str(tmp_path / "empty"))


# ---- folders ----


def test_an_existing_folder_is_never_touched(qwen):
    out, _ = run(qwen)
    before = hashes(out)
    with pytest.raises(ValueError, match="exists; expected the name of a new folder"):
        prepare(qwen, out, Settings(rope_theta=5), progress=False)
    assert hashes(out) == before
    (qwen.parent / "empty").mkdir()
    with pytest.raises(ValueError, match="exists"):
        prepare(qwen, qwen.parent / "empty", MATH, progress=False)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_copy_leaves_nothing(qwen, monkeypatch, error):
    real = module.copy_links

    def interrupted(*arguments, **options):
        real(*arguments, **options)
        raise error

    monkeypatch.setattr(module, "copy_links", interrupted)
    with pytest.raises(error if isinstance(error, type) else OSError):
        prepare(qwen, qwen.parent / "out", MATH, progress=False)
    assert [each.name for each in qwen.parent.iterdir()] == ["source"]


def test_a_folder_made_meanwhile_is_not_replaced(qwen, monkeypatch):
    real = module.copy_links
    out = qwen.parent / "out"

    def slow(*arguments, **options):
        real(*arguments, **options)
        out.mkdir()

    monkeypatch.setattr(module, "copy_links", slow)
    with pytest.raises(ValueError, match="exists"):
        prepare(qwen, out, MATH, progress=False)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("config.json", None, "has no config.json"),
        ("config.json", '{"model_type": "qwen2", ', "config.json is not JSON"),
        ("config.json", "[]", "is not a JSON object"),
        ("config.json", '{"model_type": "llama"}', "of type llama; expected qwen2"),
        ("tokenizer.json", "{", "tokenizer cannot be loaded"),
    ],
)
def test_bad_checkpoints(qwen, name, content, part):
    if content is None:
        (qwen / name).unlink()
    else:
        (qwen / name).write_text(content)
    assert part in refused(qwen)


def test_a_tokenizer_without_eos_is_refused(llama):
    edit(llama, "tokenizer_config.json", eos_token=None)
    assert "has no EOS token" in refused(llama, Settings())


@pytest.mark.parametrize("location", ["/nowhere", "./nowhere", "a/b/c"])
def test_a_missing_folder(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="does not exist; expected a Hugging Face checkpoint's folder"):
        fetch(location)


def test_fetch_of_local_things(tmp_path):
    with pytest.raises(ConfigError, match=r"a folder without config\.json"):
        fetch(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert fetch(str(tmp_path)) == tmp_path
    with pytest.raises(ValueError, match="leave it out"):
        fetch(str(tmp_path), "main")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        fetch(str(tmp_path / "file"))
