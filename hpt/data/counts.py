# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What became of a source's rows: how many were read, kept and dropped, and why."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from hpt.common.errors import MAX_PROBLEMS_SHOWN


class Rejected(Exception):
    """A row that is not used.

    Args:
        reason: the text under which such rows are counted.
        detail: what is special about this row, for the list of examples.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass
class Counts:
    """Rows read, kept and dropped; ``read == kept + sum(dropped)`` at the end.

    Attributes:
        dropped: reason -> rows.
        notes: another remarkable property -> rows that have it.
        remarks: sentences about the whole.
        examples: the first dropped rows with a detail, in words.
    """

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def drop(self, row: int, rejected: Rejected) -> None:
        """Count a row as dropped."""
        self.dropped[rejected.reason] += 1
        if rejected.detail and len(self.examples) < MAX_PROBLEMS_SHOWN:
            self.examples.append(f"row {row}: {rejected.reason}: {rejected.detail}")

    def as_record(self) -> dict[str, Any]:
        """The counts as plain JSON for the manifest."""
        assert self.read == self.kept + self.dropped.total()
        fates = {name: dict(sorted(getattr(self, name).items())) for name in ("dropped", "notes")}
        return {"read": self.read, "kept": self.kept, **fates}

    def table(self, title: str) -> Table:
        """A table with the rows read, dropped for each reason, kept, and the notes."""
        table = Table(title=title, title_justify="left")
        table.add_column("rows")
        table.add_column("count", justify="right")
        dropped = [(f"dropped: {reason}", rows) for reason, rows in sorted(self.dropped.items())]
        notes = [(f"of these: {what}", rows) for what, rows in sorted(self.notes.items())]
        for name, rows in [("read", self.read), *dropped, ("kept", self.kept), *notes]:
            table.add_row(name, f"{rows:,}")
        return table
