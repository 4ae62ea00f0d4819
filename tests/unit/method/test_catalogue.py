# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The table of the field: what its cells are read off."""

import pytest

from hpt.method import catalogue
from hpt.method.catalogue import methods
from hpt.method.config import HPTConfig
from hpt.method.gate import Coefficients, Gate, constant
from hpt.method.strategies import STRATEGIES, Strategy
from hpt.upge import ALGORITHMS


@pytest.fixture(scope="module")
def rows():
    return {row.key: row for row in methods()}


def test_every_strategy_and_every_entry_that_serves_under_one_has_a_row(rows):
    assert list(rows)[: len(STRATEGIES)] == list(STRATEGIES)
    entries = set(rows) - set(STRATEGIES)
    assert {"dft", "trsft", "eaft", "psft", "iw_sft", "chord_phi"} < entries
    assert {"grpo", "raft", "topr", "nft", "max_rl", "rlsd"} < entries
    without = {"sft", "ppo", "self_distill", "luffy_offline", "srft_offline", "rl_plus_offline", "prefix_rft"}
    assert set(ALGORITHMS) - entries == without


def test_the_settings_of_a_row_select_it(rows):
    for key, row in rows.items():
        given = dict(item.removeprefix("hpt.").split("=") for item in row.selected.split())
        settings = HPTConfig.from_mapping(given)
        assert key in (settings.strategy, settings.sft_entry, settings.rollout_entry)


@pytest.mark.parametrize("key", STRATEGIES)
def test_a_published_strategy_has_its_source(rows, key):
    ours = {"rl_only", "sft_only", "curriculum"}
    assert (rows[key].source == "-") == (key in ours)


@pytest.mark.parametrize(
    ("key", "terms", "when"),
    [
        ("switch", "dr_grpo / - / sft", "P <= gamma: (0, 0, 1); else (1, 0, 0)"),
        ("soft", "dr_grpo / luffy_offline / sft", "by P, as hpt.schedule says"),
        ("sft_only", "- / - / sft", "(0, 0, 1)"),
        ("srft", "reinforce / srft_offline / sft, weighted by entropy", "(1, 1, 1)"),
        ("mix", "grpo / - / sft", "(0.9, 0, 0.1)"),
        ("chord", "grpo / - / sft", "(1 - mu, 0, mu), mu by the step"),
        ("sasr", "grpo / - / sft", "a step is (0, 0, 1) or (1, 0, 0), by a coin"),
        (
            "relift",
            "dr_grpo / - / sft",
            "P <= gamma: (1, 0, 1); else (1, 0, 0); SFT where 128 demonstrations wait",
        ),
        (
            "self_distill",
            "dr_grpo / - / self_distill on rollouts",
            "P <= gamma: (0, 0, 1); else (1, 0, 0)",
        ),
        ("uft", "grpo / - / sft on prefixes", "(1, 0, 0.001)"),
        ("prefix_rft", "grpo / prefix_rft on prefixes / -", "(1, 0, 0)"),
        ("dft", "dr_grpo / - / dft", "P <= gamma: (0, 0, 1); else (1, 0, 0)"),
        ("nft", "nft / - / -", "(1, 0, 0)"),
    ],
)
def test_terms_and_when_they_act(rows, key, terms, when):
    assert (rows[key].terms, rows[key].when) == (terms, when)


def test_what_is_generated(rows):
    special = {key: row.generated for key, row in rows.items() if row.generated != "n"}
    assert special == {
        "sft_only": "nothing",
        **dict.fromkeys(("luffy", "srft", "rl_plus"), "n - 1"),
        "uft": "n behind prefixes",
        "prefix_rft": "n, 1 of them behind a prefix",
        "trapo": "4, then 2, 1, 1; behind prefixes where too few are right",
        "bread": "n; if all fail up to n, n, n, n behind prefixes, which have no loss",
        "ghpo": "n; if all fail up to n, n, n with hints",
        "scaf_grpo": "n; if all fail one with each hint of the data",
    }


def test_what_is_passed_over(rows):
    assert {key: row.passes for key, row in rows.items() if row.passes != "-"} == {
        "srft": "entropy",
        "rl_plus": "log pi_old of demonstrations",
        "self_distill": "log pi_T of rollouts",
        "prefix_rft": "entropy",
        "eaft": "entropy",
        "iw_sft": "log pi_0 of demonstrations",
        "psft": "log pi_old of demonstrations",
        "rlsd": "log pi_T of rollouts",
    }


def test_departures_are_those_of_the_strategy_and_of_its_entries(rows):
    assert rows["trapo"].departs == STRATEGIES["trapo"].departs
    for part in (STRATEGIES["rl_plus"].departs, ALGORITHMS["rl_plus_offline"].departs):
        assert part and part in rows["rl_plus"].departs
    assert rows["topr"].departs == ALGORITHMS["topr"].departs
    assert STRATEGIES["switch"].departs not in rows["eaft"].departs


class Own(Gate):
    terms = ("on",)

    def __call__(self, context):
        return Coefficients(1.0, 0.0, 0.0)


def test_a_strategy_of_ones_own_has_a_row(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "halves", Strategy("half of both", lambda _: constant(Coefficients(0.5, 0, 0.5))))
    monkeypatch.setitem(STRATEGIES, "mine", Strategy("Mine: a gate", lambda _: Own(), source="my notes"))
    rows = {row.key: row for row in methods()}
    assert (rows["halves"].name, rows["halves"].when) == ("halves", "(0.5, 0, 0.5)")
    assert rows["mine"].name == "Mine" and rows["mine"].source == "my notes"
    assert rows["mine"].terms == "dr_grpo / - / -" and rows["mine"].when == Gate.when


def test_costs_are_of_rows(rows, monkeypatch, tmp_path):
    assert set(catalogue.costs()) <= set(rows)
    measured = tmp_path / "costs.json"
    measured.write_text('{"rows": {"chord": {"step s": 2.0, "ratio": 1.25}}}')
    monkeypatch.setattr(catalogue, "COSTS", measured)
    assert catalogue.costs() == {"chord": 1.25}


def test_what_is_not_supported_has_a_reason():
    for each in catalogue.UNSUPPORTED:
        assert each.source.startswith("arXiv ") and each.reason
