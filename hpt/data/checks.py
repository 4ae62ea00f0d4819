# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of question files before a job takes its machines; they need pyarrow only, not torch, Ray or verl.

A file is parquet with one question per row:
    prompt          list of {role, content} messages
    data_source     text; selects the reward function
    reward_model    struct with ground_truth, text: the gold answer
    target          optional demonstration: text, or a list of messages with exactly one from the assistant
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.errors import DataError, PathProblem, Problem, first_line

# Rows decoded at a time. A demonstration reaches some 30 kB, so the objects alive stay near 10 MB.
BATCH_ROWS = 256
# Bytes of a column read ahead: large enough for disks, small beside the rest.
READ_BYTES = 1 << 20
# Only this leaf of the struct is read.
_ANSWER = "reward_model.ground_truth"

ADVICE = (
    "Correct or remove them and write the files again. Each row needs prompt = [{role, content}, ...], data_source = "
    "text and reward_model = {ground_truth: text}; target, the demonstration, is text or a list of messages with one "
    "from the assistant, and null where there is none."
)


@dataclass(frozen=True)
class FileReport:
    """What a check of one file found.

    Attributes:
        path: the file, as it was named.
        rows: number of questions; 0 if the file could not be opened.
        with_target: number of questions that have a demonstration.
        problems: everything that is wrong, in the order of rows; empty for a good file.
    """

    path: str
    rows: int
    with_target: int
    problems: tuple[Problem, ...]


def check_files(paths: str | os.PathLike | Sequence[str | os.PathLike], **options: Any) -> list[FileReport]:
    """Check one or several files.

    Args:
        paths: the files.
        options: the options of :func:`check_file`.

    Returns:
        One report per file, all without problems.

    Raises:
        DataError: a file has a problem; the error lists those of all files.
        ValueError: ``paths`` is empty.
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise ValueError("No data files to check: expected at least one parquet file, got none.")
    reports = [check_file(path, **options) for path in paths]
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        raise DataError(problems, ADVICE)
    return reports


def check_file(
    path: str | os.PathLike,
    *,
    prompt_key: str = "prompt",
    target_key: str = "target",
    require_target: bool = False,
    require_answer: bool = True,
) -> FileReport:
    """Check one local parquet file, a few rows at a time.

    Args:
        path: the file.
        prompt_key: column with the question's messages.
        target_key: column with the demonstration.
        require_target: report a file without this column, or without a single demonstration in it. Otherwise such a
            file is good, and its questions count as questions without a demonstration.
        require_answer: report questions without a gold answer, because no verifier can score them.

    Returns:
        The report. A bad file raises nothing: the report's ``problems`` say what is wrong.
    """
    path = os.fspath(path)
    if reason := format_problem(path) or _path_problem(path):
        return FileReport(path, rows=0, with_target=0, problems=(PathProblem(path, None, reason),))

    rows = with_target = 0
    problems: list[Problem] = []
    try:
        with pq.ParquetFile(os.path.expanduser(path)) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        columns, reasons = _columns(schema, prompt_key, target_key, require_target, require_answer)
        problems += [Problem(path, None, reason) for reason in reasons]
        for row, values in iter_rows(path, columns):
            reasons, has_target = _check_row(values, columns, prompt_key, target_key)
            problems += [Problem(path, row, reason) for reason in reasons]
            with_target += has_target
    except (pa.ArrowException, OSError) as error:
        problems.append(Problem(path, None, f"cannot be read as parquet, it may be truncated: {first_line(error)}"))
    else:
        if rows == 0:
            problems.append(Problem(path, None, "has 0 rows, expected at least one question"))
        elif require_target and target_key in columns and not with_target:
            problems.append(Problem(path, None, f"no row has a demonstration in column {target_key!r}"))
    return FileReport(path, rows, with_target, tuple(problems))


def format_problem(path: str) -> str | None:
    """Why a file's name rules it out, or None; verl recognises formats by the name's ending, too."""
    accepted = path.endswith(".parquet")
    return None if accepted else "is not .parquet; only parquet is supported, not .json or .jsonl: convert the file"


def iter_rows(path: str, columns: Sequence[str]) -> Iterator[tuple[int, dict]]:
    """Read a parquet file row by row.

    Args:
        path: the file.
        columns: the columns to read, or leaves of structs such as "reward_model.ground_truth".

    Yields:
        (row counted from 0, {column: value}).

    Raises:
        pyarrow.ArrowException, OSError: the file cannot be read.
    """
    local = os.path.expanduser(path)  # fsspec does the same when verl reads the file
    # Without these two, pyarrow first reads a whole row group, and many files have only one.
    with pq.ParquetFile(local, pre_buffer=False, buffer_size=READ_BYTES) as file:
        row = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
            for values in batch.to_pylist():
                yield row, values
                row += 1


def solution_text(target: object) -> str | None:
    """The text of a demonstration.

    Args:
        target: a value of the target column: text, which is taken verbatim, or chat messages, of which the
            assistant's message counts.

    Returns:
        The text, or None for a question without a demonstration (null, empty or white space).

    Raises:
        ValueError: the value has another form; the message says what was found and expected.
    """
    text = _assistant_content(target) if isinstance(target, list) and target else target
    if text is None or text == [] or (isinstance(text, str) and not text.strip()):
        return None
    if not isinstance(text, str):
        raise ValueError(f"target is {_kind(text)}, expected text or a list of {{role, content}} messages")
    return text


def _assistant_content(messages: list) -> object:
    for message in messages:
        if reason := _message_problem(message):
            raise ValueError(f"target: {reason}")
    contents = [message["content"] for message in messages if message["role"] == "assistant"]
    if len(contents) != 1:
        raise ValueError(f"target has {len(contents)} assistant messages, expected exactly one")
    return contents[0]


def _columns(
    schema: pa.Schema, prompt_key: str, target_key: str, require_target: bool, require_answer: bool
) -> tuple[list[str], list[str]]:
    """The columns to read, and what is wrong with the schema."""
    required = [prompt_key, "data_source"]
    required += [target_key] * require_target + ["reward_model"] * require_answer
    reasons = [
        f"has no column {name!r}; its columns are {', '.join(schema.names) or '(none)'}"
        for name in required
        if name not in schema.names
    ]
    repeated = sorted({name for name in schema.names if schema.names.count(name) > 1})
    reasons += [f"has more than one column {name!r}" for name in repeated]
    info = schema.field("extra_info").type if schema.names.count("extra_info") == 1 else pa.null()
    if not (pa.types.is_struct(info) or pa.types.is_null(info)):
        reasons.append(f"column 'extra_info' is {info}, expected a struct")
    columns = [name for name in (prompt_key, "data_source", target_key) if schema.names.count(name) == 1]
    if require_answer and schema.names.count("reward_model") == 1:
        kind = schema.field("reward_model").type
        if pa.types.is_struct(kind) and kind.get_field_index("ground_truth") >= 0:
            columns.append(_ANSWER)
        else:
            reasons.append(f"column 'reward_model' is {kind}, expected a struct with a field 'ground_truth'")
    return columns, reasons


def _check_row(values: dict, columns: Sequence[str], prompt_key: str, target_key: str) -> tuple[list[str], bool]:
    """What is wrong with a row, and whether it has a demonstration."""
    reasons = []
    if prompt_key in columns:
        reasons.append(_prompt_problem(values[prompt_key]))
    if "data_source" in columns:
        reasons.append(_text_problem("data_source", values["data_source"]))
    if _ANSWER in columns:
        answer = (values["reward_model"] or {}).get("ground_truth")
        reasons.append(_text_problem("ground_truth", answer))
    has_target = False
    if target_key in columns:
        try:
            has_target = solution_text(values[target_key]) is not None
        except ValueError as error:
            reasons.append(str(error))
    return [reason for reason in reasons if reason], has_target


def _prompt_problem(prompt: object) -> str | None:
    if not isinstance(prompt, list):
        return f"prompt is {_kind(prompt)}, expected a list of messages, such as [{{role: user, content: ...}}]"
    if not prompt:
        return "prompt is empty, expected at least one message"
    for message in prompt:
        if reason := _message_problem(message):
            return f"prompt: {reason}"
        name = f"content of the {message['role']!r} message"
        if reason := _text_problem(name, message["content"]):
            return f"prompt: {reason}"
    roles = [message["role"] for message in prompt]
    return None if "user" in roles else f"prompt has no message of the role 'user', only {', '.join(map(repr, roles))}"


def _message_problem(message: object) -> str | None:
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        found = f"one with {', '.join(message)}" if isinstance(message, dict) else _kind(message)
        return f"expected messages with role and content, got {found}"
    return _text_problem("role of a message", message["role"])


def _text_problem(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return f"{name} is {_kind(value)}, expected text"
    return None if value.strip() else f"{name} is empty"


def _kind(value: object) -> str:
    """A value's type, in words that fit a message."""
    if value is None:
        return "null"
    return "plain text" if isinstance(value, str) else f"of type {type(value).__name__}"


def _path_problem(path: str) -> str | None:
    local = os.path.expanduser(path)
    if not os.path.exists(local):
        return "does not exist"
    return None if os.path.isfile(local) else "is not a file"
