# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every rule has its case: without a row of a table or a pattern, a pair of the benchmark is judged wrongly."""

import re
from typing import NamedTuple

import pytest

from benchmarks.verifier.__main__ import read_pairs
from hpt.verifier import Verdict, extract_answer, normalize_gold
from hpt.verifier import judge as judging
from hpt.verifier.formula import atoms, compare, expressions, functions, grammar, notation, numeric, tokens, units

pytestmark = pytest.mark.slow

MODULES = (atoms, compare, expressions, functions, grammar, notation, numeric, tokens, units)
PAIRS = [pair for pair in read_pairs() if pair["verifier"] == "math"]
FULL_WIDTH = [chr(code) for code in range(0xFF01, 0xFF5F)]
GREEK = [character for character in notation._CHARACTERS if 0x391 <= ord(character) <= 0x3C9]
# A row of several names is one rule: the names of a unit, an alphabet.
UNITS = [line.partition(":")[2].split() for line in units._TABLE.strip().splitlines()]


def bare(functions_left=notation.FUNCTIONS, symbols_left=notation._BARE_SYMBOLS):
    return {"_BARE": notation._without_backslash(functions_left, symbols_left)}


TABLES = {
    "characters": (notation, "_CHARACTERS", [FULL_WIDTH, GREEK], lambda left: {"_TABLE": str.maketrans(left)}),
    "commands": (notation, "_SAME", [], None),
    "names in plain code": (notation, "_BARE_NAMES", [], None),
    "functions that are read": (notation, "FUNCTIONS", [], bare),
    "symbols in plain code": (notation, "_BARE_SYMBOLS", [], lambda left: bare(symbols_left=left)),
    "functions": (functions, "FUNCTIONS", [], None),
    "relations": (atoms, "RELATIONS", [], None),
    "constants": (atoms, "CONSTANTS", [], None),
    "brackets": (atoms, "_CLOSING", [], None),
    "matrices": (atoms, "_MATRICES", [], None),
    "greek letters": (atoms, "_GREEK", [], lambda left: {"ATOMS": atoms.ATOMS - (atoms._GREEK - left)}),
    "accents": (atoms, "_ACCENTS", [], None),
    "units": (units, "_UNITS", UNITS, None),
    "multiples": (units, "MULTIPLES", [], None),
    "powers of units": (units, "_POWERS", [], None),
    "powers after units": (units, "_POWERS_AFTER", [], None),
    "currencies": (units, "CURRENCIES", [], None),
    "units or products": (units, "AMBIGUOUS_UNITS", [], None),
    "ends of numerals": (units, "_SUFFIXES", [], None),
    "joints of units": (units, "_JOINTS", [], None),
    "after letters": (units, "_AFTER_LETTERS", [], None),
    "short words": (tokens, "SHORT_WORDS", [], None),
    "functions' names": (numeric, "_FUNCTION_NAMES", [], None),
    "whole numbers' names": (numeric, "_WHOLE_NAMES", [], None),
    "rules": (compare, "_RULES", [], None),
}
# How a row is written that has another name in its table.
WRITTEN = {
    "functions": {
        "factorial": "!",
        "root": "sqrt",
        "abs": "|",
        "arcsinh": "sinh",
        "arccosh": "cosh",
        "arctanh": "tanh",
    },
    "units": {"degC": "circ", "degF": "circ"},
}


def forget():
    judging.readings.cache_clear()
    judging.gold_kind.cache_clear()


def score(pair):
    try:
        step = judging.examine(pair["response"], str(pair["gold"]), "math")
        return (step if isinstance(step, Verdict) else judging.judge(*step[:2])).score
    except KeyError:  # the code names the row
        return None


class Case(NamedTuple):
    """A pair, its verdict, all ways in which its answers are written, and the rules that compared them."""

    pair: dict
    verdict: float | None
    written: str
    rules: set


def case_of(pair):
    used = set()

    def recorded(rule):
        def compared(left, right):
            verdict = rule(left, right)
            return verdict if verdict is None else used.add(rule) or verdict

        return compared

    answers = extract_answer(pair["response"]) or "", normalize_gold(str(pair["gold"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "_RULES", tuple(map(recorded, compare._RULES)))
        verdict = score(pair)
    return Case(pair, verdict, " ".join((pair["response"], str(pair["gold"]), *map(notation.cleaned, answers))), used)


@pytest.fixture(autouse=True)
def nothing_read():
    yield
    forget()


@pytest.fixture(scope="module")
def cases():
    """The cases of all rows, the shortest first: most rows are seen there."""
    forget()
    return sorted(map(case_of, PAIRS), key=lambda case: len(case.written))


def about(table, rows, cases):
    """The cases that may need one of the rows, those of units first for a table of units."""
    if table == "rules":
        return [case for case in cases if rows[0] in case.rules]
    names = [WRITTEN.get(table, {}).get(row, row) for row in rows]
    found = [case for case in cases if any(name in case.written for name in names)]
    return sorted(found, key=lambda case: case.pair["kind"] != "units") if TABLES[table][0] is units else found


def without(table, names):
    if isinstance(table, dict):
        return {name: value for name, value in table.items() if name not in names}
    return table - set(names) if isinstance(table, frozenset) else tuple(each for each in table if each not in names)


@pytest.mark.parametrize("name", TABLES)
def test_no_row_is_without_a_case(name, cases, monkeypatch):
    module, attribute, groups, derived = TABLES[name]
    table = getattr(module, attribute)
    grouped = {each for group in groups for each in group}
    unneeded = []
    for rows in (*groups, *([row] for row in table if row not in grouped)):
        left = without(table, rows)
        with monkeypatch.context() as patch:
            for changed, value in {attribute: left, **(derived(left) if derived else {})}.items():
                before = getattr(module, changed)
                for each in MODULES:
                    if getattr(each, changed, None) is before:
                        patch.setattr(each, changed, value)
            if module not in (compare, functions, numeric):  # they read no text
                forget()
            if all(score(case.pair) == case.verdict for case in about(name, rows, cases)):
                unneeded.append(rows[0])
    assert unneeded == []


@pytest.mark.parametrize("name", [name for name, value in vars(notation).items() if isinstance(value, re.Pattern)])
def test_no_pattern_is_without_a_case(name, cases, monkeypatch):
    monkeypatch.setattr(notation, name, re.compile("(?!)" + "()" * getattr(notation, name).groups))
    forget()
    assert any(score(case.pair) != case.verdict for case in cases)


def test_each_word_that_changes_a_number_is_needed(monkeypatch):
    def accepted(word):
        return score({"response": rf"\boxed{{5 \text{{ {word}}}}}", "gold": "5"}) == 1.0

    blocked = units._BLOCKED
    assert [word for word in blocked if accepted(word)] == []
    unneeded = []
    for word in blocked:
        monkeypatch.setattr(units, "_BLOCKED", blocked - {word})
        forget()
        if not accepted(word):
            unneeded.append(word)
    assert unneeded == []
