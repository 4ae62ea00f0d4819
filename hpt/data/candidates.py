# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions of a source before we know whether they can be used, and how to read such a source."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hpt.data.counts import Rejected
from hpt.data.thinking import POLICIES as THINK_POLICIES

OVERLONG_POLICIES = ("drop", "error", "keep")
UNVERIFIABLE_POLICIES = ("drop", "error")


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


@dataclass(frozen=True)
class Settings:
    """How a training file is made; part of its manifest.

    Attributes:
        think: ``keep`` or ``strip``, see `hpt.data.thinking`.
        max_target_length: longest demonstration in tokens, EOS included; None: any length.
        overlong: what to do with a question whose demonstration is longer: ``drop``, ``error`` or ``keep``.
        unverifiable: what to do with a question whose gold answer cannot be verified: ``drop`` or ``error``.

    Raises:
        ValueError: another value.
    """

    think: str = "keep"
    max_target_length: int | None = None
    overlong: str = "drop"
    unverifiable: str = "drop"

    def __post_init__(self) -> None:
        known = {"think": THINK_POLICIES, "overlong": OVERLONG_POLICIES, "unverifiable": UNVERIFIABLE_POLICIES}
        for name, policies in known.items():
            if getattr(self, name) not in policies:
                raise ValueError(f"got {name}={getattr(self, name)!r}; expected one of {', '.join(policies)}")
        if self.max_target_length is not None and self.max_target_length < 1:
            raise ValueError(f"got max_target_length={self.max_target_length}; expected a number of tokens >= 1")


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
