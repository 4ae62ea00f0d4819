# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The registry, and an entry of one's own."""

import doctest
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from hpt.method.estimator.tokens import INPUTS
from hpt.method.proof.check import COEFFICIENT, TOLERANCE, check_entry
from hpt.upge import ALGORITHMS, parts, register, token_coefficient, token_surrogate

# Entry -> its parameters.
EXPECTED = {
    "sft": (),
    "reinforce": (),
    "ppo": ("clip_ratio", "clip_ratio_c"),
    "grpo": ("clip_ratio", "clip_ratio_c"),
    "dr_grpo": ("clip_ratio", "clip_ratio_c"),
    "cispo": ("clip_ratio",),
    "gspo": ("clip_ratio",),
    "luffy_offline": ("shaping",),
    "srft_offline": (),
    "dft": (),
    "chord_phi": (),
    "trsft": ("alpha",),
    "eaft": ("alpha",),
    "iw_sft": ("max_weight",),
    "psft": ("clip_ratio",),
    "rl_plus_offline": ("focal", "omega"),
    "prefix_rft": ("low_entropy_share",),
    "raft": (),
    "topr": (),
    "nft": ("eps",),
    "max_rl": ("clip_ratio", "clip_ratio_c"),
    "self_distill": ("max_ratio",),
    "rlsd": ("clip_ratio", "clip_ratio_c", "eps", "lam"),
}
# Entry -> what it reads beside log-probabilities and advantages; nothing where it is not named.
READ = {
    "eaft": {"entropy"},
    "iw_sft": {"initial_log_prob"},
    "nft": {"mean_score"},
    "self_distill": {"teacher_log_prob"},
    "rlsd": {"teacher_log_prob"},
    "prefix_rft": {"entropy"},
}


@pytest.fixture
def registry():
    """What a test adds to or changes in ALGORITHMS is gone afterwards."""
    saved = dict(ALGORITHMS)
    yield ALGORITHMS
    ALGORITHMS.clear()
    ALGORITHMS.update(saved)


def test_the_entries_and_their_parameters():
    assert {name: entry.settings for name, entry in ALGORITHMS.items()} == EXPECTED
    assert list(ALGORITHMS) == list(EXPECTED)


def test_who_reads_pi_old(registry):
    """Sampled rows have one, demonstrations only where the trainer computes it for them."""
    reading = {name for name, entry in ALGORITHMS.items() if entry.reads_old_policy}
    on_rollouts = {"ppo", "grpo", "dr_grpo", "cispo", "gspo", "topr", "nft", "max_rl", "self_distill", "rlsd"}
    assert reading == on_rollouts | {"psft", "rl_plus_offline", "prefix_rft"}

    @parts.part("1 if r < 2 else 0")
    def not_far_away(tokens, max_ratio=2.0):
        return parts.log_mask(tokens.log_ratio < math.log(max_ratio), like=tokens.log_prob)

    own = replace(ALGORITHMS["reinforce"], stabilisation=not_far_away)
    assert own.reads_old_policy and not ALGORITHMS["reinforce"].reads_old_policy


def test_what_else_is_read():
    assert {name: entry.inputs & set(INPUTS) for name, entry in ALGORITHMS.items()} == {
        name: READ.get(name, set()) for name in EXPECTED
    }


def test_who_reads_advantages():
    """The others have one of their own and serve as an SFT term."""
    without = {name for name, entry in ALGORITHMS.items() if "advantages" not in entry.inputs}
    assert without == {"sft", "dft", "chord_phi", "trsft", "eaft", "iw_sft", "psft", "self_distill"}


def test_an_entry_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        ALGORITHMS["sft"].reference = parts.old_policy


def test_a_name_is_registered_once(registry):
    entry = ALGORITHMS["sft"]
    assert register("sft_again", entry) is entry
    assert ALGORITHMS["sft_again"] is entry
    with pytest.raises(ValueError) as error:
        register("sft", ALGORITHMS["ppo"])
    assert str(error.value).startswith("Algorithm 'sft' is registered already; choose another name")
    assert ALGORITHMS["sft"] is entry


def test_the_example_in_the_documentation_of_register_runs(registry):
    """r = 3/2 passes with REINFORCE's slope and 1 / pi, r = 3 is stopped; the proof covers it as well."""
    namespace: dict = {}
    for example in doctest.DocTestParser().get_examples(register.__doc__):
        exec(example.source, namespace)
    assert namespace["cautious"] is ALGORITHMS["cautious_reinforce"]
    log_prob = torch.tensor([[0.3, 0.6]], dtype=torch.float64).log().requires_grad_()
    rest = (torch.full_like(log_prob, math.log(0.2)), torch.full_like(log_prob, -2.0))
    inputs = (log_prob, *rest, torch.ones(1, 2))
    token_surrogate("cautious_reinforce", *inputs).sum().backward()
    assert log_prob.grad.tolist() == [[pytest.approx(2.0), 0.0]]
    coefficient = token_coefficient("cautious_reinforce", *inputs)
    assert coefficient.tolist() == [[pytest.approx(-2.0 / 0.3), 0.0]]
    # max_ratio is a parameter now: with 4, both pass.
    coefficient = token_coefficient("cautious_reinforce", *inputs, max_ratio=4.0)
    assert coefficient.tolist()[0] == pytest.approx([-2.0 / 0.3, -2.0 / 0.6])
    result = check_entry("cautious_reinforce", 0, 16, 24, {})
    assert result.deviations[COEFFICIENT] <= TOLERANCE
    assert 0 < result.stabilised < result.tokens


def test_importing_the_estimator_needs_torch_only():
    heavy = (
        "verl",
        "ray",
        "vllm",
        "transformers",
        "tensordict",
        "rich",
        "hypothesis",
        "hpt.verl_ext",
    )
    code = f"import sys, hpt.upge, hpt.method.proof.check; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
