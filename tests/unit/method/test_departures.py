# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Where a method's public code departs from its paper: the size of the difference, as its page says it.

TOPR's and CHORD's are in tests/unit/method/estimator/test_hybrid_entries.py.
"""

import itertools
import math

import pytest
import torch

from hpt.method.config import HPTConfig
from hpt.method.draws import Drawn, Known
from hpt.method.estimator.credit import centred, relative, standardized
from hpt.upge import token_stabilisation
from tests.unit.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/methods-of-the-field.md").read_text()
F64 = torch.float64


def said(method: str) -> str:
    """The method's row in the page's table of sizes."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {method} |")]
    return row


def test_a_deviation_scales_advantages_by_how_rare_a_success_is():
    """LUFFY's code leaves the deviation out, and so does RL-PLUS's: 7 rollouts, of which one is right, and a 1."""
    scores = torch.tensor([1.0, 1.0, *[0.0] * 6], dtype=F64)
    ratio = (standardized(scores) / centred(scores))[0].item()
    assert ratio == pytest.approx(2.16, abs=0.005) and "2.16" in said("LUFFY, RL-PLUS")
    even = torch.tensor([1.0] * 4 + [0.0] * 4, dtype=F64)
    assert (standardized(even) / centred(even))[0].item() == pytest.approx(1.87, abs=0.005)
    assert "1.87" in said("LUFFY, RL-PLUS")


def test_eafts_3_is_ln_20_rounded():
    assert 1 - math.log(20) / 3 == pytest.approx(0.0014, abs=5e-5) and "0.14 %" in said("EAFT")


def test_max_rls_code_takes_a_group_of_one_for_a_mean_of_0():
    alone = torch.tensor([1.0])
    assert (alone / (0.0 + 1e-6)).item() == pytest.approx(1e6) and relative(alone).item() == 1.0
    assert "1,000,000" in said("MaxRL")


def test_rlsds_lambda_is_a_quarter_less_in_the_mean_of_the_papers_decay():
    mean = sum(0.5 * (1 - step / 50) for step in range(50)) / 50
    assert mean == pytest.approx(0.255) and "0.255" in said("RLSD")


def prefixed(params: dict, chance: float) -> float:
    """Rollouts of 8 that begin with a prefix, if each is right with this chance whatever it begins with."""
    draws, known = HPTConfig(strategy="trapo", params=params).draws, Known(rollouts=8, demonstration=100)
    total = 0.0
    for outcome in itertools.product((0.0, 1.0), repeat=8):
        drawn: list[Drawn] = []
        while new := draws.next(known, drawn):
            drawn += [Drawn(draw, outcome[len(drawn) + place]) for place, draw in enumerate(new)]
        weight = math.prod(chance if score else 1 - chance for score in outcome)
        total += weight * sum(each.draw.prefix > 0 for each in drawn)
    return total


def test_trapos_paper_and_code_show_prefixes_to_different_groups():
    paper = {"ratios": [0.0, 0.2, 0.5, 1.0], "thresholds": [-1.0, 0.5, 0.7, 0.9]}
    for chance in (0.25, 0.5, 0.75):
        code, text = prefixed({}, chance), prefixed(paper, chance)
        assert f"{code:.2f}" in said("TRAPO") and f"{text:.2f}" in said("TRAPO"), (chance, code, text)


def test_prefix_rfts_code_compares_entropies_over_a_micro_batch():
    """Two prefixes, one everywhere more certain than the other: a fifth of each counts, or two fifths of one."""
    entropy = torch.cat([torch.linspace(0.1, 1, 10), torch.linspace(2, 3, 10)]).to(F64)
    zeros, ones = torch.zeros(2, 10, dtype=F64), torch.ones(2, 10, dtype=F64)
    by_row = token_stabilisation("prefix_rft", zeros, zeros, ones, ones, entropy=entropy.reshape(2, 10))
    assert by_row.sum(dim=-1).tolist() == [2, 2]
    flat = (zeros.reshape(1, 20), zeros.reshape(1, 20), ones.reshape(1, 20), ones.reshape(1, 20))
    together = token_stabilisation("prefix_rft", *flat, entropy=entropy.reshape(1, 20)).reshape(2, 10)
    assert together.sum(dim=-1).tolist() == [0, 4]
    assert "2 and 2" in said("Prefix-RFT") and "0 and 4" in said("Prefix-RFT")


def test_topr_and_chord_have_the_sizes_that_the_page_says():
    assert "1/8" in said("TOPR") and "1/4" in said("TOPR")
    assert "1/8" in said("CHORD") and "1/24" in said("CHORD") and "1/16" in said("CHORD")
