# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What became of the rows of a source: read, kept, dropped and why."""

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from hpt.common.errors import MAX_PROBLEMS_SHOWN


class Rejected(Exception):
    """A row that is not used.

    Args:
        reason: the same text for all rows of this fate; they are counted under it.
        detail: about this row, for the list of examples.
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
        notes: what else is worth knowing -> rows.
        remarks: sentences about the whole.
        examples: the first dropped rows that have details to tell, in words.
    """

    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def drop(self, row: int, rejected: Rejected) -> None:
        self.dropped[rejected.reason] = self.dropped.get(rejected.reason, 0) + 1
        if rejected.detail and len(self.examples) < MAX_PROBLEMS_SHOWN:
            self.examples.append(f"row {row}: {rejected.reason}: {rejected.detail}")

    def note(self, what: str, rows: int = 1) -> None:
        self.notes[what] = self.notes.get(what, 0) + rows

    def as_record(self) -> dict[str, Any]:
        """For the manifest."""
        assert self.read == self.kept + sum(self.dropped.values())
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "notes": dict(sorted(self.notes.items())),
        }

    def table(self, title: str) -> Table:
        """Read, dropped for each reason, kept, and the notes."""
        table = Table(title=title, title_justify="left")
        table.add_column("rows")
        table.add_column("count", justify="right")
        table.add_row("read", f"{self.read:,}")
        for reason, rows in sorted(self.dropped.items()):
            table.add_row(f"dropped: {reason}", f"{rows:,}")
        table.add_row("kept", f"{self.kept:,}")
        for what, rows in sorted(self.notes.items()):
            table.add_row(f"of these: {what}", f"{rows:,}")
        return table
