# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Training files with worse demonstrations: a share ends wrong, and a share of the questions has none at all.

Questions, gold answers and their order stay as they are. A hash of the seed and the question orders the questions, and
a share is the beginning of this order. So a demonstration that is wrong at 10 % is wrong at 30 %, too, by the same
mistake, and one that is kept at 5 % is kept at 25 %.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator
from tqdm import tqdm

from hpt.common.digests import file_sha256
from hpt.common.errors import ConfigError, SourceError
from hpt.common.settings import Settings
from hpt.data.checks import BATCH_ROWS, check_files, iter_rows, solution_text
from hpt.data.demonstrations import KIND, NONE, check_outputs, write_with_covered
from hpt.data.gold_answers import GoldAnswer, gold_answer_of
from hpt.data.mistakes import with_answer, wrong_answers
from hpt.data.questions import last_user_message, question_key
from hpt.verifier.pool import DEFAULT_WORKERS, VerifierPool, shared_pool
from hpt.verifier.verdict import Reason

RIGHT, WRONG_STEP = "right", "wrong_step"
"""What ``extra_info.demonstration`` says besides ``NONE``: as it was, with a wrong last step."""
_EXAMINED = ("prompt", "target", "reward_model", "extra_info")


class Degradation(Settings):
    """What becomes of the demonstrations of a training file.

    Raises:
        ConfigError: a share out of range, or shares that change nothing.
    """

    wrong_step: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the demonstrations whose last step is wrong, and so their answer."""
    coverage: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the questions with a demonstration that keep it."""
    seed: int = 0
    """Decides which questions these are, and the mistakes."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.wrong_step == 0 and self.coverage == 1:
            raise ConfigError("got wrong_step=0 and coverage=1, which change nothing; set one of the two")
        return self


@dataclass
class Degraded:
    """What was done to a file.

    Attributes:
        kinds: kind -> questions.
        refused: right ones that the verifier refuses as they are; None: it was not asked, since none had to be wrong.
        unchangeable: further right ones without a number whose change makes the answer wrong; None likewise.
        written: the files.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    refused: int | None = None
    unchangeable: int | None = None
    written: list[Path] = field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        """The counts as plain JSON for the manifest."""
        kinds = {kind: self.kinds[kind] for kind in (RIGHT, WRONG_STEP, NONE)}
        return {**kinds, "refused": self.refused, "unchangeable": self.unchangeable}


def degrade_file(
    file: Path,
    out: Path,
    settings: Degradation,
    *,
    overwrite: bool = False,
    workers: int = DEFAULT_WORKERS,
    progress: bool = True,
) -> Degraded:
    """Write a training file with worse demonstrations; if some questions have none, write ``covered_file``, too.

    The same file and settings give the same bytes.

    Args:
        file: a training file.
        out: the parquet file to write.
        settings: what becomes of the demonstrations.
        overwrite: replace existing files.
        workers: verifier processes.
        progress: show a progress bar.

    Raises:
        DataError: the file cannot be trained on, or has no demonstration.
        SourceError: it was degraded before.
        ConfigError: no demonstration would be left, or fewer can end wrong than should.
        ValueError: ``out`` exists, is ``file``, or is no parquet file's name.
    """
    source = file.expanduser()
    check_outputs(source, out, overwrite)
    (checked,) = check_files(str(source), require_target=True)
    schema = _schema(source)
    keys = _keys(source)
    kept = _first(settings.coverage, keys, settings.seed, "coverage")
    if not kept:
        raise ConfigError(f"got coverage={settings.coverage} of {len(keys)} demonstrations, which keeps none: raise it")
    done = Degraded()
    wrong: dict[int, str] = {}
    if settings.wrong_step:
        done.refused = done.unchangeable = 0
        bar = tqdm(iter_rows(str(source), _EXAMINED), "demonstrations", checked.rows, unit="row", disable=not progress)
        wrong = _wrong_answers(bar, kept, settings, shared_pool(workers), done)

    def rows() -> Iterable[dict[str, Any]]:
        for row, values in iter_rows(str(source), pq.read_schema(source).names):
            kind = NONE if row not in kept else WRONG_STEP if row in wrong else RIGHT
            _mark(values, kind, wrong.get(row))
            done.kinds[kind] += 1
            yield values

    def record() -> dict[str, Any]:
        made_from = {"file": source.name, "sha256": file_sha256(source)}
        return {"source": made_from, "settings": settings.model_dump(), "counts": done.as_record()}

    done.written = write_with_covered(out, schema, rows(), len(kept) < checked.rows, overwrite, record)
    return done


def _schema(source: Path) -> pa.Schema:
    """The columns of the file, with the kind of the demonstration in ``extra_info``."""
    schema = pq.read_schema(source)
    place = schema.get_field_index("extra_info")
    info = [] if place < 0 or pa.types.is_null(schema.field(place).type) else schema.field(place).type
    if info and not pa.types.is_struct(info):
        reason = f"has a column extra_info of type {info}; expected a struct"
    elif KIND in (each.name for each in info):
        reason = f"says what its demonstrations are (extra_info.{KIND}); expected the file that it was made from"
    else:
        extended = pa.field("extra_info", pa.struct([*info, pa.field(KIND, pa.string())]))
        return schema.append(extended) if place < 0 else schema.set(place, extended)
    raise SourceError(f"{source} {reason}")


def _keys(source: Path) -> dict[int, str]:
    """Row -> key of its question, for the questions with a demonstration."""
    return {
        row: question_key(last_user_message(values["prompt"]))
        for row, values in iter_rows(str(source), ("prompt", "target"))
        if solution_text(values["target"]) is not None
    }


def _first(share: float, keys: Mapping[int, str], seed: int, what: str, of: int | None = None) -> dict[int, str]:
    """The first rows, with their keys, in an order that the seed and ``what`` decide.

    Their number is the share of ``of`` (None: of all rows), rounded half up: a larger share is never a smaller number.
    """
    order = sorted(keys, key=lambda row: (hashlib.sha256(f"{seed}/{what}/{keys[row]}".encode()).digest(), row))
    return {row: keys[row] for row in order[: int(share * (len(keys) if of is None else of) + 0.5)]}


def _wrong_answers(
    rows: Iterable[tuple[int, dict[str, Any]]],
    keys: Mapping[int, str],
    settings: Degradation,
    pool: VerifierPool,
    done: Degraded,
) -> dict[int, str]:
    """Row -> its wrong answer, for the share of the rows in ``keys`` that the settings ask for.

    Raises:
        ConfigError: there are not so many.
    """
    found: dict[int, str] = {}
    examined = ((row, values) for row, values in rows if row in keys)
    while batch := dict(islice(examined, BATCH_ROWS)):
        seeds = {row: f"{settings.seed}/mistake/{keys[row]}" for row in batch}
        found |= _refused_answers(batch, seeds, pool, done)
    wanted = _first(settings.wrong_step, {row: keys[row] for row in found}, settings.seed, "wrong", len(keys))
    if len(wanted) < int(settings.wrong_step * len(keys) + 0.5):
        raise ConfigError(
            f"got wrong_step={settings.wrong_step}; only {len(found):,} of {len(keys):,} demonstrations can end wrong: "
            f"choose at most {int(1000 * len(found) / len(keys)) / 1000}"
        )
    return {row: found[row] for row in wanted}


def _refused_answers(
    batch: Mapping[int, dict[str, Any]], seeds: Mapping[int, str], pool: VerifierPool, done: Degraded
) -> dict[int, str]:
    """Row -> an answer that the verifier understands and refuses; only what it accepts now can be made wrong."""
    found: dict[int, str] = {}
    texts = {row: solution_text(values["target"]) or "" for row, values in batch.items()}
    expected = {row: gold_answer_of(values) for row, values in batch.items()}
    accepted = [row for row, why in _verdicts(texts, expected, pool).items() if why == "correct"]
    left = {row: iter(wrong_answers(texts[row], seeds[row])) for row in accepted}
    while left:
        tries = {row: answer for row, answers in left.items() if (answer := next(answers, None)) is not None}
        ended = {row: with_answer(texts[row], answer) for row, answer in tries.items()}
        found |= {row: tries[row] for row, why in _verdicts(ended, expected, pool).items() if why == "wrong"}
        left = {row: left[row] for row in tries if row not in found}
    assert done.refused is not None and done.unchangeable is not None
    done.refused += len(batch) - len(accepted)
    done.unchangeable += len(accepted) - len(found)
    return found


def _verdicts(texts: Mapping[int, str], expected: Mapping[int, GoldAnswer], pool: VerifierPool) -> dict[int, Reason]:
    verdicts = pool.verify_many((text, *expected[row]) for row, text in texts.items())
    return {row: verdict.reason for row, verdict in zip(texts, verdicts, strict=True)}


def _mark(values: dict[str, Any], kind: str, answer: str | None) -> None:
    """Write the kind into a row, and what it means for the demonstration; ``answer`` is the wrong one."""
    values["extra_info"] = {**(values.get("extra_info") or {}), KIND: kind}
    if kind == NONE:
        values["target"] = None
    elif answer is not None and isinstance(values["target"], str):
        values["target"] = with_answer(values["target"], answer)
    elif answer is not None:
        for message in values["target"]:
            if message["role"] == "assistant":
                message["content"] = with_answer(message["content"], answer)
