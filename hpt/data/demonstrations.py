# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The demonstrations of a training file: which of them the verifier refuses, and files with fewer of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from hpt.common.digests import file_sha256
from hpt.common.errors import DataError
from hpt.data.checks import ADVICE, BATCH_ROWS, check_files, iter_rows, solution_text
from hpt.data.gold_answers import gold_answer_of, read_gold_answers
from hpt.data.ids import question_id
from hpt.data.writing import QuestionWriter, check_free, manifest_path
from hpt.verifier.pool import DEFAULT_WORKERS, shared_pool
from hpt.verifier.verdict import Verdict

NONE, KIND = "none", "demonstration"
"""What ``extra_info.demonstration`` says of a question that has lost its demonstration."""
_EXAMINED = ("target", "reward_model", "extra_info", "data_source")


@dataclass(frozen=True)
class Refused:
    """A demonstration that the verifier does not accept.

    Attributes:
        row: its row in the file.
        id: of its question.
        gold: the gold answer.
        verdict: on the demonstration as a response.
    """

    row: int
    id: str
    gold: str
    verdict: Verdict


@dataclass(frozen=True)
class Verified:
    """What the verifier says of a file's demonstrations.

    Attributes:
        rows: questions of the file.
        demonstrations: those that have a demonstration.
        refused: the demonstrations that it does not accept, in their order.
    """

    rows: int
    demonstrations: int
    refused: list[Refused]


def verify_demonstrations(file: Path, *, workers: int = DEFAULT_WORKERS, progress: bool = True) -> Verified:
    """Compare each demonstration with the gold answer of its question, as a response would be.

    Args:
        file: a training file.
        workers: verifier processes.
        progress: show a progress bar.

    Raises:
        DataError: the file cannot be trained on, has no demonstration, or an answer of an unknown kind.
    """
    source = str(file.expanduser())
    (checked,) = check_files(source, require_target=True)
    if problems := read_gold_answers(source)[1]:
        raise DataError(problems, ADVICE)
    columns = [name for name in pq.read_schema(source).names if name in _EXAMINED]
    bar = tqdm(iter_rows(source, columns), "demonstrations", checked.rows, unit="row", disable=not progress)
    shown = ((row, values, text) for row, values in bar if (text := solution_text(values["target"])) is not None)
    refused, total = [], 0
    while batch := list(islice(shown, BATCH_ROWS)):
        total += len(batch)
        verdicts = shared_pool(workers).verify_many((text, *gold_answer_of(values)) for _, values, text in batch)
        for (row, values, _), verdict in zip(batch, verdicts, strict=True):
            if not verdict.score:
                refused.append(Refused(row, question_id(values, row), gold_answer_of(values)[0], verdict))
    return Verified(checked.rows, total, refused)


def write_accepted(file: Path, out: Path, verified: Verified, *, overwrite: bool = False) -> list[Path]:
    """Write a training file without the refused demonstrations; their questions stay. Returns the files.

    One that the verifier could not judge (timeout, memory, crashed) is left out like a wrong one; the manifest counts
    them by reason. If some questions have no demonstration then, write `covered_file`, too.

    Raises:
        ValueError: ``out`` exists, is ``file``, or is no parquet file's name; or no demonstration is accepted.
    """
    source = file.expanduser()
    check_outputs(source, out, overwrite)
    if len(verified.refused) == verified.demonstrations:
        raise ValueError(f"the verifier refuses every demonstration of {file}; nothing was written")
    refused = {each.row for each in verified.refused}
    schema = pq.read_schema(source)

    def rows() -> Iterable[dict[str, Any]]:
        for row, values in iter_rows(str(source), schema.names):
            if row in refused:
                values["target"] = None
                if isinstance(info := values.get("extra_info"), dict) and KIND in info:
                    info[KIND] = NONE  # a degraded file says what its demonstrations are
            yield values

    lacks_some = verified.demonstrations - len(refused) < verified.rows
    reasons = dict(sorted(Counter(each.verdict.reason for each in verified.refused).items()))
    counts = {"questions": verified.rows, "demonstrations": verified.demonstrations, "refused": reasons}
    record = {"source": {"file": source.name, "sha256": file_sha256(source)}, "counts": counts}
    return write_with_covered(out, schema, rows(), lacks_some, overwrite, lambda: record)


# ---- files with fewer demonstrations ----


def covered_file(out: Path) -> Path:
    """The file beside ``out`` with its questions that have a demonstration, for strategies that refuse others."""
    return out.with_name(f"{out.stem}_covered.parquet")


def check_outputs(source: Path, out: Path, overwrite: bool) -> None:
    """Refuse outputs that exist or are the input, before anything is computed.

    Raises:
        ValueError: see there.
    """
    for path in (out, covered_file(out)):
        if source.resolve() == path.resolve():
            raise ValueError(f"got {out} to write, which would replace {source}; name another")
        check_free(path, overwrite)


def write_with_covered(
    out: Path,
    schema: pa.Schema,
    rows: Iterable[dict[str, Any]],
    lacks_some: bool,
    overwrite: bool,
    record: Callable[[], dict[str, Any]],
) -> list[Path]:
    """Write a file and, if some of its questions lack a demonstration, `covered_file`; returns them, the file last.

    Args:
        out: the file.
        schema: of its rows.
        rows: its rows.
        lacks_some: whether questions lack a demonstration.
        overwrite: replace existing files.
        record: gives the manifest, once all rows are written.
    """
    parts = [covered_file(out)] if lacks_some else []
    place = schema.get_field_index("target")
    schema = schema.set(place, schema.field(place).with_nullable(True))
    with ExitStack() as stack:
        writers = [stack.enter_context(QuestionWriter(path, schema, overwrite)) for path in (*parts, out)]
        for values in rows:
            for writer in writers if solution_text(values["target"]) is not None else writers[-1:]:
                writer.add(values)
        if overwrite and not parts:  # an earlier one is of other rows
            for path in (covered_file(out), manifest_path(covered_file(out))):
                path.unlink(missing_ok=True)
        # The whole file comes last: where the new one is, the other is of the same rows.
        for writer in writers:
            writer.finish(record())
    return [*parts, out]
