# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions of a source, before it is known whether they can be used, and how such a source is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpt.data.counts import Rejected
from hpt.data.thinking import POLICIES as THINK_POLICIES

OVERLONG_POLICIES = ("drop", "error", "keep")
UNVERIFIABLE_POLICIES = ("drop", "error")


@dataclass(frozen=True)
class Candidate:
    """A question of a source, before it is known whether it can be used.

    Attributes:
        question: the user's message.
        answer: gold answer.
        solution: gold solution; its tags follow `hpt.data.thinking`.
        data_source, source_id: as the source has them.
        info: further text for extra_info.
    """

    question: str
    answer: str
    solution: str
    data_source: str
    source_id: object
    info: dict[str, str | None]


@dataclass(frozen=True)
class Settings:
    """How a training file is made; part of its manifest.

    Attributes:
        think: ``keep`` or ``strip``, see `hpt.data.thinking`.
        max_target_length: longest gold solution in tokens, EOS included; None: any length.
        overlong: what becomes of a longer one: ``drop`` the question, ``error``, or ``keep`` it.
        unverifiable: what becomes of a question whose gold answer cannot be verified: ``drop`` or ``error``.

    Raises:
        ValueError: a value outside of these.
    """

    think: str = "keep"
    max_target_length: int | None = None
    overlong: str = "drop"
    unverifiable: str = "drop"

    def __post_init__(self) -> None:
        for name, known in (
            ("think", THINK_POLICIES),
            ("overlong", OVERLONG_POLICIES),
            ("unverifiable", UNVERIFIABLE_POLICIES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"got {name}={getattr(self, name)!r}; expected one of {', '.join(known)}")
        if self.max_target_length is not None and self.max_target_length < 1:
            raise ValueError(f"got max_target_length={self.max_target_length}; expected a number of tokens >= 1")


@dataclass(frozen=True)
class Layout:
    """How to read one kind of source.

    Attributes:
        columns: that it must have.
        answer_columns: those of them that hold the gold answer.
        answer: a row's gold answer, from these columns alone; None where it has none.
        candidate: a row as a candidate.
        info: names of the candidates' ``info``.
    """

    columns: tuple[str, ...]
    answer_columns: tuple[str, ...]
    answer: Callable[[dict[str, Any]], str | None]
    candidate: Callable[[dict[str, Any]], Candidate]
    info: tuple[str, ...] = ()


def text_of(values: dict[str, Any], column: str, where: str) -> str:
    """A text that must be there; raises Rejected under ``where`` if it is null, empty or no text."""
    value = values.get(column)
    if not isinstance(value, str) or not value.strip():
        raise Rejected(where)
    return value
