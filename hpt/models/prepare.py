# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares a checkpoint for training: a copy with other positions, chat template, EOS or padding token.

The source stays as it is. The new folder appears in one step, complete and checked: transformers has loaded its
configuration and tokenizer and read the requested values. The weights are copied byte for byte.
"""

import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from hpt.common.errors import ConfigError
from hpt.common.files import write_json
from hpt.common.tokenizers import load_tokenizer
from hpt.data.thinking import OPEN
from hpt.models.checkpoints import download, local_checkpoint
from hpt.models.copying import copy_links, link_checkpoint
from hpt.models.edits import Edits, Settings, load_config
from hpt.models.endings import Endings, read_endings
from hpt.models.rope import check_window, rope_theta_of
from hpt.models.templates import EXAMPLES, opened_thinking, system_prompt

RECORD = "preparation.json"
PRESETS = {
    # This model was trained on 4096 positions with a base of 10000; responses of 8192 tokens need more.
    "qwen2.5-math": Settings(40000, 16384, model_type="qwen2"),
    "llama-3.1": Settings(chat_template="question-answer", pad_token="<|finetune_right_pad_id|>", model_type="llama"),
}


@dataclass
class Prepared:
    """What was done.

    Attributes:
        changes: each change in words; empty if the checkpoint needed none.
        notes: other facts that the user should know.
        examples: conversations as the chat template renders them.
    """

    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


def fetch(location: str, revision: str | None = None) -> Path:
    """A checkpoint's folder: the local one, or a download from the hub.

    Raises:
        ConfigError: there is no such folder, it is no checkpoint, or the hub does not provide it.
    """
    folder = local_checkpoint(location, f"the model {location}")
    if folder is not None and revision is not None:
        raise ConfigError(f"got --revision {revision} with the local folder {location}; leave it out")
    return folder or download(location, f"the model {location}", revision=revision)


def prepare(source: Path, out: Path, settings: Settings, *, link: bool = False, progress: bool = True) -> Prepared:
    """Copy the checkpoint ``source`` to the new folder ``out`` with the changes.

    Args:
        link: make hard links instead of copies of the files that do not change.
        progress: show progress bars.

    Raises:
        ValueError: ``out`` exists, ``source`` is no checkpoint, or a change cannot work.
        OSError: there is no space, or a hard link would cross file systems.
    """
    _check_free(out)
    edits = Edits(source)
    edits.apply(settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        new = Path(scratch) / "new"
        edits.write(new)
        # To copy the weights may take minutes, so everything that can fail is tried on links first.
        link_checkpoint(source, new)
        done = check_result(new, settings, edits)
        copy_links(new, hard=link, progress=progress)
        record = {"source": source.name, "settings": asdict(settings), "changes": done.changes}
        write_json(new / RECORD, record)
        _check_free(out)  # another process may have made it
        os.replace(new, out)
    return done


def _check_free(out: Path) -> None:
    if out.exists():
        raise ValueError(f"{out} exists; expected the name of a new folder")


def check_result(folder: Path, settings: Settings, edits: Edits) -> Prepared:
    """Load configuration and tokenizer as a training does; returns what was changed and found.

    Raises:
        ValueError: they do not load, they do not have the requested values, or a training would refuse them.
    """
    config, tokenizer = load_config(folder), load_tokenizer(folder, f"the checkpoint {folder}")
    done = Prepared(list(edits.changes))
    read = {
        "rope_theta": rope_theta_of(config),
        "max_position_embeddings": getattr(config, "max_position_embeddings", None),
        "eos_token": tokenizer.eos_token,
    }
    for name, got in read.items():
        wanted = getattr(settings, name)
        if wanted is not None and got != wanted:
            raise ValueError(f"transformers reads {name}={got} from the result; expected {wanted}")
    if settings.max_position_embeddings is not None:
        check_window(config)
    if len(tokenizer) != len(edits.tokenizer):
        raise ValueError(
            f"the tokenizer would have {len(tokenizer)} tokens instead of {len(edits.tokenizer)}; expected no new ones"
        )
    endings = read_endings(folder, tokenizer)
    if endings.refuted:
        raise ValueError(
            f"the tokenizer would not end responses as the model does: {endings.disagreement}; expected one token in "
            f"all: name the model's with --eos-token '{endings.remedy}'"
        )
    if settings.pad_token is not None or tokenizer.pad_token != edits.tokenizer.pad_token:
        _check_pad(tokenizer, endings)
    _note_tokens(tokenizer, endings, done)
    _render_examples(tokenizer, done)
    return done


def _check_pad(tokenizer: Any, endings: Endings) -> None:
    ends = {endings.turn: "the token with which the chat template ends an answer", tokenizer.eos_token_id: "EOS"}
    if (end := ends.get(tokenizer.pad_token_id)) is not None:
        raise ValueError(
            f"got padding token {tokenizer.pad_token!r}, which is {end}; expected a token that ends nothing, because "
            "programs that leave out padding by its id would not learn to stop: name another with --pad-token"
        )


def _note_tokens(tokenizer: Any, endings: Endings, done: Prepared) -> None:
    done.notes.append(
        f"EOS is {tokenizer.eos_token} ({tokenizer.eos_token_id}), "
        f"padding {tokenizer.pad_token} ({tokenizer.pad_token_id})"
    )
    if endings.disagreement is not None:
        done.notes.append(f"{endings.disagreement}; {endings.advice}: --eos-token '{endings.remedy}'")
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        done.notes.append(
            "the padding token is EOS; programs that mask by token id, and not by position, would not learn to stop: "
            "name another with --pad-token"
        )


def _render_examples(tokenizer: Any, done: Prepared) -> None:
    if not tokenizer.chat_template:
        done.notes.append(
            "there is no chat template: name one with --chat-template, or set data.prompt_template in the training"
        )
        return

    def render(messages: list[dict[str, str]]) -> str:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    for messages in EXAMPLES:
        try:
            text = render(messages)
        except jinja2.TemplateError as error:
            roles = " and ".join(message["role"] for message in messages)
            if len(messages) == 1:
                raise ValueError(f"the chat template does not render a question: {error}") from error
            done.notes.append(f"the chat template does not render messages of {roles}: {error}")
        else:
            done.examples.append(text)
    if not any(EXAMPLES[0][0]["content"] in text for text in done.examples[:1]):
        raise ValueError(f"the chat template leaves out the question: it renders {done.examples[0]!r}")
    if added := system_prompt(render):
        done.notes.append(f"the chat template adds a system message to questions without one: {added!r}")
    if opened_thinking(done.examples[0]) == OPEN:
        done.notes.append(
            f"the chat template opens {OPEN} in the prompt: demonstrations have to go on from there, with "
            "the reasoning; else name another template"
        )
