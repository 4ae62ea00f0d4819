# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rollouts that an agent loop returns in several parts, each a row of its own.

verl calls one run of an agent loop a session. Its rows have the keys ``{uid}_{session}_{index}``, each with the
session's score. To the gate and to a group's advantages a session is one rollout, as it is to verl; its tokens are
those of all its rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain

from hpt.method.routing import Plan, RowKind


def rows_of_sessions(keys: Iterable[str]) -> dict[str, list[str]]:
    """Group rollout rows by session.

    Returns:
        Key of a session's last row, which stands for the session -> keys of all its rows, in their order. Sessions
        are in the order of their numbers.

    Raises:
        ValueError: a key of another form.
    """
    sessions = defaultdict(list)
    for key in keys:
        try:
            uid, session, index = key.rsplit("_", 2)
            sessions[uid, int(session)].append((int(index), key))
        except ValueError:
            raise ValueError(f"got a rollout with the key {key!r}; expected uid_session_index") from None
    ordered = [[key for _, key in sorted(sessions[each])] for each in sorted(sessions)]
    return {rows[-1]: rows for rows in ordered}


def with_all_rows(plan: Plan, rows: Mapping[str, list[str]]) -> Plan:
    """Let all rows of a session share what routing has decided about the session.

    Args:
        plan: its rollouts are sessions.
        rows: of :func:`rows_of_sessions`.
    """
    planned = chain.from_iterable(
        [replace(row, key=key) for key in rows[str(row.key)]] if row.kind == RowKind.ROLLOUT else [row]
        for row in plan.rows
    )
    return replace(plan, rows=list(planned), dropped=[key for session in plan.dropped for key in rows[session]])
