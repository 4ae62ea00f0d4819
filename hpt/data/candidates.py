# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions of a source before we know whether they can be used, and how to read such a source."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hpt.common import settings
from hpt.common.settings import Positive
from hpt.data.counts import Rejected

Think = Literal["keep", "strip"]
Overlong = Literal["drop", "error", "keep"]
Unverifiable = Literal["drop", "error"]


@dataclass(frozen=True)
class Candidate:
    """A question of a source before we know whether it can be used.

    Attributes:
        question: the user's message.
        answer: the gold answer.
        solution: the demonstration; its tags follow `hpt.data.thinking`.
        data_source, source_id: as in the source.
        info: further texts for extra_info.
    """

    question: str
    answer: str
    solution: str
    data_source: str
    source_id: object
    info: dict[str, str | None] = field(default_factory=dict)


class Settings(settings.Settings):
    """How a training file is made; part of its manifest."""

    think: Think = "keep"
    """What to do with a demonstration's pair of tags, see `hpt.data.thinking`."""
    max_target_length: Positive | None = None
    """Longest demonstration in tokens, EOS included; None: any length."""
    overlong: Overlong = "drop"
    """What to do with a question whose demonstration is longer."""
    unverifiable: Unverifiable = "drop"
    """What to do with a question whose gold answer cannot be verified."""


@dataclass(frozen=True)
class Layout:
    """How to read one kind of source.

    Attributes:
        columns: the columns that the source must have.
        answer_columns: those of them that hold the gold answer.
        answer: returns a row's gold answer from these columns alone, or None if there is none.
        candidate: reads a whole row.
        info: names of the texts in a candidate's ``info``.
    """

    columns: tuple[str, ...]
    answer_columns: tuple[str, ...]
    answer: Callable[[dict[str, Any]], str | None]
    candidate: Callable[[dict[str, Any]], Candidate]
    info: tuple[str, ...] = ()


def text_of(values: dict[str, Any], column: str, reason: str) -> str:
    """A text that a row must have.

    Raises:
        Rejected: with ``reason``; the column is null, empty or no text.
    """
    value = values.get(column)
    if not isinstance(value, str) or not value.strip():
        raise Rejected(reason)
    return value
