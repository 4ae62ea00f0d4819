# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of model, questions, template and of what the run's folder already holds."""

import itertools
import os
from collections.abc import Iterator

import pyarrow.parquet as pq

from hpt.common.digests import WEIGHTS, files_matching
from hpt.data.checks import iter_rows, solution_text
from hpt.preflight import model as models
from hpt.preflight.context import Context
from hpt.preflight.memory import longest_row
from hpt.preflight.run_lock import holder_of, in_use
from hpt.preflight.run_record import compare, describe, folder_of, refusal, without_record
from hpt.preflight.table import Check, failed, passed, warned
from hpt.verl_ext import validation as preflight

EXAMPLES = 2
SHOWN_CHARACTERS = 400
"""Of each end of a text."""

# ---- model and tokenizer ----


def model(context: Context) -> list[Check]:
    """The model's sizes from its config.json, and its positions against the lengths."""
    config, settings = context.config, context.config.actor_rollout_ref.model
    preflight.check_model(config)
    context.model = models.locate(config)
    if context.model is None:
        advice = f"download it first: {models.PREPARE} {settings.path} models/NAME"
        return [
            failed(
                "model",
                f"{settings.path} is neither a folder nor in this machine's hub cache",
                advice,
            )
        ]
    sizes = context.sizes = models.read_sizes(context.model, bool(settings.trust_remote_code))
    found = (
        f"{context.model}: {sizes.parameters:,} parameters, {sizes.layers} layers, width {sizes.hidden}, vocabulary "
        f"{sizes.vocabulary:,}, {sizes.positions or 'unknown'} positions"
    )
    if not files_matching(context.model, WEIGHTS):
        return [failed("model", f"{context.model} has no weights", "expected *.safetensors or *.bin")]
    longest = longest_row(config)
    if sizes.positions is not None and sizes.positions < longest:
        advice = f"{models.PREPARE} --max-position-embeddings, or shorter lengths"
        return [warned("model", f"{found}; the longest row has {longest} tokens", advice)]
    return [passed("model", found)]


def tokenizer(context: Context) -> list[Check]:
    """Template, EOS, padding token and number of tokens."""
    assert context.model is not None
    settings = context.config.actor_rollout_ref.model
    context.tokenizer = models.load_run_tokenizer(context.config, context.model)
    vocabulary = context.sizes.vocabulary if context.sizes else None
    problems = models.tokenizer_problems(context.config, context.tokenizer, vocabulary)
    if problems:
        return [failed("tokenizer", problem.partition(": ")[0], problem.partition(": ")[2]) for problem in problems]
    own = "data.prompt_template" if settings.custom_chat_template else "the tokenizer's template"
    found = f"{len(context.tokenizer):,} tokens, EOS {context.tokenizer.eos_token}, padding {context.tokenizer.pad_token}, {own}"
    return [passed("tokenizer", found)]


# ---- questions ----


def data(context: Context) -> list[Check]:
    """Files, rows and gold answers, as the run itself checks them."""
    preflight.check_data(context.config)
    counts = {}
    for key in ("train_files", "val_files"):
        files = preflight.local_files(context.config.data[key])
        counts[key] = sum(pq.read_metadata(file).num_rows for file in files)
    context.questions = counts["train_files"]
    found = f"{counts['train_files']:,} training and {counts['val_files']:,} validation questions, rows and gold answers good"
    return [passed("data", found)]


def examples(context: Context) -> list[Check]:
    """The first questions with a gold solution, as the model will see them; shown under the table."""
    config, lines = context.config, []
    for number, (messages, solution) in enumerate(_first_questions(context), 1):
        prompt = models.render(config, context.tokenizer, messages)
        length = len(context.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        context.notes.append(f"--- example {number}: prompt, {length} tokens\n{_ends(prompt)}")
        if length > config.data.max_prompt_length:
            told = f"example {number} has a prompt of {length} tokens"
            lines.append(
                warned(
                    "template",
                    told,
                    f"data.max_prompt_length={config.data.max_prompt_length} leaves it out",
                )
            )
        lines += _show_solution(context, number, solution)
    if not context.notes or not any(note.startswith("--- example") for note in context.notes):
        return [failed("template", "no question to show")]
    return lines or [passed("template", "rendered below: prompts end where the model's answer begins")]  # fmt: skip


def _first_questions(context: Context) -> Iterator[tuple[list[dict[str, str]], str | None]]:
    """(messages, gold solution) of the first questions that have one, or else of the first questions."""
    data = context.config.data

    def questions() -> Iterator[tuple[list[dict[str, str]], str | None]]:
        for file in preflight.local_files(data.train_files):
            names = pq.read_schema(os.path.expanduser(file)).names
            columns = [name for name in (data.prompt_key, data.target_key) if name in names]
            for _, row in iter_rows(file, columns):
                yield row[data.prompt_key], solution_text(row.get(data.target_key))

    solved = list(itertools.islice((item for item in questions() if item[1] is not None), EXAMPLES))
    yield from solved or itertools.islice(questions(), EXAMPLES)


def _show_solution(context: Context, number: int, solution: str | None) -> list[Check]:
    if solution is None:
        context.notes.append(f"--- example {number}: no gold solution")
        return []
    from hpt.verl_ext.dataset import demonstration_tokens  # imports datasets and verl

    ids = demonstration_tokens(context.tokenizer, solution) or []
    text = context.tokenizer.decode(ids, skip_special_tokens=False)
    context.notes.append(f"--- example {number}: gold solution, {len(ids)} tokens with EOS\n{_ends(text)}")
    limit = context.config.data.max_target_length or context.config.data.max_response_length
    if len(ids) > limit:
        told = f"example {number} has a gold solution of {len(ids)} tokens, more than {limit}"
        policy = context.config.data.target_overlong
        return [
            warned(
                "template",
                told,
                f"data.target_overlong={policy} applies; or raise data.max_target_length",
            )
        ]
    return []


def _ends(text: str) -> str:
    """A text's beginning and end."""
    left_out = len(text) - 2 * SHOWN_CHARACTERS
    if left_out <= 0:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n[... {left_out} characters ...]\n{text[-SHOWN_CHARACTERS:]}"


# ---- the run's folder ----


def resume(context: Context) -> list[Check]:
    """Which checkpoint would be continued, and whether it is this run's."""
    config, folder = context.config, folder_of(context.config)
    found = compare(config, describe(config, context.model))
    if found.problems:
        return [failed("resume", refusal(folder, found))]
    if found.checkpoint is None:
        held = sorted(path.name for path in folder.glob("global_step_*"))
        if held and config.trainer.resume_mode == "disable":
            told = f"from the model; {', '.join(held)} in the folder will be written over"
            return [warned("resume", told, "name another trainer.default_local_dir to keep them")]
        return [passed("resume", "from the model, at step 1")]
    step = int(found.checkpoint.name.rpartition("_")[2])
    told = f"continues {found.checkpoint}, at step {step + 1}"
    lines = [passed("resume", told)]
    lines += [warned("resume", f"with another setting: {change}") for change in found.changes]
    total = config.trainer.total_training_steps
    if total and step >= total:
        advice = "raise trainer.total_training_steps to train on"
        lines.append(warned("resume", f"the run has {total} steps: none is left", advice))
    if not found.recorded:
        lines.append(warned("resume", without_record(found.checkpoint)))
    return lines


def lock(context: Context) -> list[Check]:
    """Whether another process trains in the folder."""
    folder = folder_of(context.config)
    holder = holder_of(folder)
    if holder is not None:
        return [failed("other runs", in_use(folder, holder))]
    return [passed("other runs", "none in this folder")]
