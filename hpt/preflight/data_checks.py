# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Lines on the model, its tokenizer, the questions, and what the run's folder already holds."""

import itertools
import os
from collections.abc import Iterator

import pyarrow.parquet as pq

from hpt.common.digests import WEIGHTS, files_matching
from hpt.common.tokenizers import with_eos
from hpt.data.checks import iter_rows, solution_text
from hpt.preflight import model as models
from hpt.preflight.run_folder import holder_of, in_use
from hpt.preflight.run_record import compare, describe, finished, folder_of, refusal, without_record
from hpt.preflight.table import Check, Context, Status, failed, passed, warned
from hpt.verl_ext import batch_sizes, question_files
from hpt.verl_ext.cpu.platform import supported_head_sizes
from hpt.verl_ext.model_settings import lora_config

EXAMPLES = 2
Example = tuple[list[dict[str, str]], str | None]
SHOWN_CHARACTERS = 400  # at each end of a text

# ---- model and tokenizer ----


def model(context: Context) -> list[Check]:
    """Read the model's sizes from its config.json, and compare its positions with the lengths."""
    config, settings = context.config, context.config.actor_rollout_ref.model
    context.model = models.locate(config)
    if context.model is None:
        found = f"{settings.path} is neither a folder nor in this machine's hub cache; the training will download it"
        return [
            Check(
                "model",
                Status.NOT_CHECKED,
                found,
                f"to check it, download it: {models.PREPARE} {settings.path} models/NAME",
            )
        ]
    lora = lora_config(config)
    sizes = context.sizes = models.read_sizes(context.model, bool(settings.trust_remote_code), lora)
    found = (
        f"{context.model}: {sizes.parameters:,} parameters, {sizes.layers} layers, width {sizes.hidden}, vocabulary "
        f"{sizes.vocabulary:,}, {sizes.positions or 'unknown'} positions"
    )
    if not files_matching(context.model, WEIGHTS):
        return [failed("model", f"{context.model} has no weights", "expected *.safetensors or *.bin")]
    if sign := models.media_of(context.model):
        advice = "expected a text model: the update does not read images, videos or audio"
        return [failed("model", f"{context.model} takes more than text ({sign})", advice)]
    if problem := _sharing_problem(context, sizes):
        return [failed("model", *problem)]
    longest = batch_sizes.longest_row(config)
    if sizes.positions is not None and sizes.positions < longest:
        advice = f"{models.PREPARE} --max-position-embeddings, or shorter lengths"
        return [warned("model", f"{found}; the longest row has {longest} tokens", advice)]
    return [passed("model", found)]


def _sharing_problem(context: Context, sizes: models.ModelSizes) -> tuple[str, str] | None:
    """Ranks that share a row's tokens share its attention heads, too."""
    sharing = batch_sizes.sequence_ranks(context.config)
    heads, pairs = sizes.heads or 1, sizes.key_value_heads or 1
    if heads % sharing == 0 and (pairs % sharing == 0 or sharing % pairs == 0):
        return None
    return (
        f"{heads} attention heads and {pairs} key-value heads for {sharing} ranks that share a row",
        "set actor_rollout_ref.actor.fsdp_config.ulysses_sequence_parallel_size to a divisor of the heads",
    )


def tokenizer(context: Context) -> list[Check]:
    """Check the template, the EOS and padding tokens and the number of tokens."""
    assert context.model is not None
    settings = context.config.actor_rollout_ref.model
    context.tokenizer = models.load_run_tokenizer(context.config, context.model)
    vocabulary = context.sizes.vocabulary if context.sizes else None
    problems = models.tokenizer_problems(context.config, context.tokenizer, vocabulary)
    if problems:
        return [failed("tokenizer", problem.partition(": ")[0], problem.partition(": ")[2]) for problem in problems]
    own = "data.prompt_template" if settings.custom_chat_template else "the tokenizer's template"
    it = context.tokenizer
    return [passed("tokenizer", f"{len(it):,} tokens, EOS {it.eos_token}, padding {it.pad_token}, {own}")]


# ---- questions ----


def data(context: Context) -> list[Check]:
    """Count the questions."""
    train, val = (
        sum(pq.read_metadata(file).num_rows for file in question_files.local_files(context.config.data[key]))
        for key in ("train_files", "val_files")
    )
    context.questions = train
    return [
        passed("data", f"{train:,} training and {val:,} validation questions, rows and gold answers good"),
        passed("gold answers", question_files.describe_gold_answers(context.config).removeprefix("gold answers: ")),
    ]


def prompts(context: Context) -> list[Check]:
    """Count the training prompts that are longer than ``data.max_prompt_length``."""
    config, limit, longest, total, over = context.config, context.config.data.max_prompt_length, 0, 0, 0
    for file in question_files.local_files(config.data.train_files):
        for _, row in iter_rows(file, [config.data.prompt_key]):
            text = models.render(config, context.tokenizer, row[config.data.prompt_key])
            total += 1
            if len(text.encode()) < limit:  # a token is a byte at least, and some tokenizers put one before the text
                continue
            length = len(context.tokenizer(text, add_special_tokens=False)["input_ids"])
            longest, over = max(longest, length), over + (length > limit)
    if not over:
        return [passed("prompts", f"none of {total:,} has more than data.max_prompt_length={limit} tokens")]
    found = f"{over:,} of {total:,} have more than data.max_prompt_length={limit} tokens, the longest {longest}"
    if not config.data.filter_overlong_prompts:
        advice = "raise data.max_prompt_length, or leave them out with data.filter_overlong_prompts=true"
        return [failed("prompts", found, advice)]
    context.questions -= over
    if over == total:
        return [failed("prompts", found, "raise data.max_prompt_length")]
    return [warned("prompts", found, "data.filter_overlong_prompts=true leaves them out")]


def examples(context: Context) -> list[Check]:
    """Show the first questions with a demonstration, as the model will see them, under the table."""
    config, lines = context.config, []
    for number, (messages, demonstration) in enumerate(_first_questions(context), 1):
        prompt = models.render(config, context.tokenizer, messages)
        length = len(context.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        context.notes.append(f"--- example {number}: prompt, {length} tokens\n{_ends(prompt)}")
        lines += _show_demonstration(context, number, demonstration)
    if not context.notes:
        return [failed("template", "no question to show")]
    return lines or [passed("template", "rendered below: prompts end where the model's answer begins")]


def _first_questions(context: Context) -> Iterator[Example]:
    """Yield (messages, demonstration) of the first questions that have one, or else of the first questions."""
    data = context.config.data

    def questions() -> Iterator[Example]:
        for file in question_files.local_files(data.train_files):
            names = pq.read_schema(os.path.expanduser(file)).names
            columns = [name for name in (data.prompt_key, data.target_key) if name in names]
            for _, row in iter_rows(file, columns):
                yield row[data.prompt_key], solution_text(row.get(data.target_key))

    demonstrated = list(itertools.islice((item for item in questions() if item[1] is not None), EXAMPLES))
    yield from demonstrated or itertools.islice(questions(), EXAMPLES)


def _show_demonstration(context: Context, number: int, text: str | None) -> list[Check]:
    if text is None:
        context.notes.append(f"--- example {number}: no demonstration")
        return []
    (ids,) = with_eos([text], context.tokenizer)
    shown = context.tokenizer.decode(ids, skip_special_tokens=False)
    context.notes.append(f"--- example {number}: demonstration, {len(ids)} tokens with EOS\n{_ends(shown)}")
    data = context.config.data
    limit = data.max_target_length or data.max_response_length
    if len(ids) <= limit:
        return []
    found = f"example {number} has a demonstration of {len(ids)} tokens, more than {limit}"
    return [
        warned(
            "template", found, f"data.target_overlong={data.target_overlong} applies; or raise data.max_target_length"
        )
    ]


def _ends(text: str) -> str:
    """A text's beginning and end."""
    left_out = len(text) - 2 * SHOWN_CHARACTERS
    if left_out <= 0:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n[... {left_out} characters ...]\n{text[-SHOWN_CHARACTERS:]}"


# ---- the run's folder ----


def engine(context: Context) -> list[Check]:
    """Whether vLLM computes the model's attention; on a CPU it does so for some widths only."""
    assert context.sizes is not None
    head, supported = context.sizes.head, supported_head_sizes()
    if context.on_cpu and head not in supported:
        found = (
            f"the model's attention heads have {head} dimensions; vLLM computes {', '.join(map(str, supported))} on a "
            "CPU"
        )
        return [failed("engine", found, "train it on a GPU, or take a model with such heads")]
    return [passed("engine", "computes the model")]


def resume(context: Context) -> list[Check]:
    """Say which checkpoint would be continued, and whether it is this run's."""
    config, folder = context.config, folder_of(context.config)
    found = compare(config, describe(config, context.model))
    if found.problems:
        return [failed("resume", refusal(folder, found))]
    if found.checkpoint is None:
        held = sorted(path.name for path in folder.glob("global_step_*"))
        if held and config.trainer.resume_mode == "disable":
            lost = f"from the model; {', '.join(held)} in the folder will be written over"
            return [warned("resume", lost, "name another trainer.default_local_dir to keep them")]
        return [passed("resume", "from the model, at step 1")]
    step = int(found.checkpoint.name.rpartition("_")[2])
    lines = [passed("resume", f"continues {found.checkpoint}, at step {step + 1}")]
    lines += [warned("resume", f"with another setting: {change}") for change in found.changes]
    if nothing_to_do := finished(config, found.checkpoint):
        lines.append(warned("resume", *nothing_to_do.rsplit("; ", 1)))
    if not found.recorded:
        lines.append(warned("resume", without_record(found.checkpoint)))
    return lines


def lock(context: Context) -> list[Check]:
    """Say whether another process trains in the folder."""
    folder = folder_of(context.config)
    holder = holder_of(folder)
    return [failed("other runs", in_use(folder, holder)) if holder else passed("other runs", "none in this folder")]
