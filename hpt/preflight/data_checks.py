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
from hpt.data.thinking import CLOSE, OPEN
from hpt.method.config import HPTConfig
from hpt.models.templates import opened_thinking, system_prompt
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
    """Check the template, the EOS and padding tokens and the ids of the tokens."""
    assert context.model is not None
    settings = context.config.actor_rollout_ref.model
    context.tokenizer = models.load_run_tokenizer(context.config, context.model)
    vocabulary = context.sizes.vocabulary if context.sizes else None
    endings = models.endings_of(context.config, context.tokenizer, context.model)
    problems = models.tokenizer_problems(context.config, context.tokenizer, vocabulary, endings)
    if problems or endings is None:
        return [failed("tokenizer", *problem) for problem in problems]
    own = "data.prompt_template" if settings.custom_chat_template else "the tokenizer's template"
    it = context.tokenizer
    found = f"{len(it):,} tokens, EOS {it.eos_token}, padding {it.pad_token}, {own}"
    notes = [warned("tokenizer", *warning) for warning in models.tokenizer_warnings(it, endings)]
    return [passed("tokenizer", found), *notes]


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
    """Count the training prompts that are too long, and say what the template adds to questions."""
    config, limit, longest, total, over = context.config, context.config.data.max_prompt_length, 0, 0, 0
    bare, opened = 0, 0
    for file in question_files.local_files(config.data.train_files):
        for _, row in iter_rows(file, [config.data.prompt_key]):
            messages = row[config.data.prompt_key]
            text = models.render(config, context.tokenizer, messages)
            total += 1
            bare += all(message["role"] != "system" for message in messages)
            opened += opened_thinking(text) is not None
            if len(text.encode()) < limit:  # a token is a byte at least, and some tokenizers put one before the text
                continue
            length = len(context.tokenizer(text, add_special_tokens=False)["input_ids"])
            longest, over = max(longest, length), over + (length > limit)
    lines = [_prompt_lengths(context, total, over, longest)]
    added = system_prompt(lambda messages: models.render(config, context.tokenizer, messages))
    if added and bare:
        found = f"the template adds {added!r} to {bare:,} of {total:,} questions, which have no system message"
        lines.append(passed("system message", found))
    return lines + (_thinking(context) if opened else [])


def _prompt_lengths(context: Context, total: int, over: int, longest: int) -> Check:
    data = context.config.data
    if not over:
        return passed(
            "prompts", f"none of {total:,} has more than data.max_prompt_length={data.max_prompt_length} tokens"
        )
    found = (
        f"{over:,} of {total:,} have more than data.max_prompt_length={data.max_prompt_length} tokens, the longest "
        f"{longest}"
    )
    if not data.filter_overlong_prompts:
        advice = "raise data.max_prompt_length, or leave them out with data.filter_overlong_prompts=true"
        return failed("prompts", found, advice)
    context.questions -= over
    if over == total:
        return failed("prompts", found, "raise data.max_prompt_length")
    return warned("prompts", found, "data.filter_overlong_prompts=true leaves them out")


def _thinking(context: Context) -> list[Check]:
    """Whether demonstrations go on where the template has written ``<think>`` into the prompt."""
    settings, rollouts = HPTConfig.from_mapping(context.config.hpt), context.config.actor_rollout_ref.rollout.n
    if not settings.uses_demonstrations(rollouts):
        return []
    total = doubled = unclosed = 0
    tag = None
    for messages, demonstration in _questions(context):
        if demonstration is None:
            continue
        tag = opened_thinking(models.render(context.config, context.tokenizer, messages))
        total += 1
        doubled += tag is not None and demonstration.lstrip().startswith(OPEN)
        unclosed += tag == OPEN and CLOSE not in demonstration
    way_out = f"take a template that does not write it: data.prompt_template, or {models.PREPARE} --chat-template"
    if doubled:
        found = f"{doubled:,} of {total:,} demonstrations begin with {OPEN}, which the template has written already"
        strip = "" if tag == OPEN else "take it out with hpt data prepare --think strip, or "
        return [failed("thinking", found, f"{strip}{way_out}")]
    if unclosed:
        found = f"{unclosed:,} of {total:,} demonstrations do not close the {OPEN} that the template opens"
        line = failed if unclosed == total else warned
        return [line("thinking", f"{found}: the model would learn to answer within its reasoning", way_out)]
    return [passed("thinking", f"{total:,} demonstrations go on after the {tag} that the template writes")]


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


def _questions(context: Context) -> Iterator[Example]:
    """Yield (messages, demonstration) of the training questions."""
    data = context.config.data
    for file in question_files.local_files(data.train_files):
        names = pq.read_schema(os.path.expanduser(file)).names
        columns = [name for name in (data.prompt_key, data.target_key) if name in names]
        for _, row in iter_rows(file, columns):
            yield row[data.prompt_key], solution_text(row.get(data.target_key))


def _first_questions(context: Context) -> Iterator[Example]:
    """Yield the first questions that have a demonstration, or else the first questions."""
    questions = (item for item in _questions(context) if item[1] is not None)
    demonstrated = list(itertools.islice(questions, EXAMPLES))
    yield from demonstrated or itertools.islice(_questions(context), EXAMPLES)


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
