# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""docs/guides/methods.md names every strategy, parameter and entry, with the defaults of the code."""

import inspect
import re

from hpt.method.catalogue import methods
from hpt.method.strategies import STRATEGIES
from hpt.upge import ALGORITHMS
from recipe.hpt.reference import shown
from tests.unit.docs.pages import ROOT

PAGE = (ROOT / "docs" / "guides" / "methods.md").read_text()


def cells(heading: str) -> list[list[str]]:
    """The rows of the table under a line of column heads, without these."""
    _, _, rest = PAGE.partition(f"{heading}\n")
    table = rest.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table]


STRATEGY_ROWS = cells("| `hpt.strategy` | on, off, sft | note |")
PARAMETER_ROWS = cells("| strategy | parameters | what to know |")
ENTRY_ROWS = cells("| algorithm | parameters | note |")


def test_every_strategy_has_a_row():
    names = [re.findall(r"`(\w+)`", row[0])[0] for row in STRATEGY_ROWS if "then" not in row[0]]
    assert sorted(names) == sorted(STRATEGIES)


def test_rl_only_names_every_entry_for_rollouts():
    (row,) = [row for row in STRATEGY_ROWS if row[0] == "`rl_only`"]
    named = set(re.findall(r"`(\w+)`", row[2])) - {"hpt.rollout_algorithm"}
    assert named == {each.key for each in methods() if "rollout_algorithm" in each.selected}


def test_parameters_of_strategies_are_complete():
    page = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in PARAMETER_ROWS}
    assert page == {key: list(each.params.model_fields) for key, each in STRATEGIES.items() if each.params}


def defaults(name: str) -> dict[str, str]:
    """Settings of an entry's parts and their defaults, as the page writes them."""
    entry = ALGORITHMS[name]
    chosen = (entry.stabilisation, entry.reference, entry.advantage, entry.likelihood, entry.factor, entry.constant)
    every = [parameter for part in chosen for parameter in inspect.signature(part.function).parameters.values()]
    return {each.name: shown(each.default).strip("`") for each in every if each.name in entry.settings}


def test_parameters_of_entries_have_the_codes_defaults():
    page = {}
    for names, parameters, _ in ENTRY_ROWS:
        found = dict(re.findall(r"`(\w+)` (\[[^\]]*\]|\S+?)(?:,|$)", parameters))
        page |= dict.fromkeys(names.split(", "), found)
    assert page == {name: defaults(name) for name in ALGORITHMS if defaults(name)}


def test_the_page_names_the_entries_for_the_sft_term():
    (named,) = re.findall(r"Entries that have an advantage of their own \(([^)]*)\)", PAGE)
    assert named.split(", ") == [name for name, entry in ALGORITHMS.items() if "advantages" not in entry.inputs]


def test_what_contributing_shows_is_the_code():
    added = re.findall(r"```diff\n--- a/(\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    assert len(added) == 2
    for file, diff in added:
        lines = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
        assert "\n".join(lines) in (ROOT / file).read_text()
