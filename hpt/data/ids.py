# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Ids of questions: unique within a file, and the same in every run over the same source."""

from collections.abc import Mapping
from typing import Any

from hpt.data.questions import question_key

_DIGITS = 16


def question_id(row: Mapping[str, Any], number: object) -> str:
    """The `extra_info.id` of a question file's row; "data_source/number" where it has none."""
    info = row.get("extra_info")
    known = info.get("id") if isinstance(info, dict) else None
    return f"{row.get('data_source')}/{number}" if known is None else str(known)


class UniqueIds:
    """Gives each question one id, in the order of the file."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, source_id: object, question: str) -> str:
        """The source's own id, or else a hash of the question's text.

        If the source repeats an id, the hash is appended, and a count if that is not enough.

        Args:
            source_id: text or a number; None or empty where the source has none.
            question: the question's text.
        """
        key = question_key(question)[:_DIGITS]
        name = "" if source_id is None else str(source_id).strip()
        first = chosen = name or key
        count = 1
        while chosen in self._given:
            chosen = f"{first}-{key}" if name and count == 1 else f"{first}-{count}"
            count += 1
        self._given.add(chosen)
        return chosen
