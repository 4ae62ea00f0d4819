# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gates that look at more than P, and what they remember."""

import json
import math
import sys

import pytest

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.method.gate import RL, SFT, ByMean, Coefficients, Context, Gate, constant, gate_of, switch
from hpt.method.strategies import check_feedback, trains_on_demonstrations


def gate(strategy: str, **params) -> Gate:
    return gate_of(HPTConfig(strategy=strategy, params=params).feedback, rollouts=4)


def mu_of(chosen: Gate, step: int) -> float:
    coefficients = chosen(Context(0.5, step=step))
    assert coefficients.off == 0 and coefficients.on == pytest.approx(1 - coefficients.sft)
    return coefficients.sft


def test_chord_rises_and_falls_by_the_published_schedule():
    """mu = peak k / w, then valley + (peak - valley) (1 + cos(pi (k - w) / d)) / 2, then valley."""
    chosen = gate("chord", mu_warmup_steps=4, mu_decay_steps=10, mu_peak=0.8, mu_valley=0.2)
    assert [mu_of(chosen, step) for step in (1, 2, 3, 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert mu_of(chosen, 9) == pytest.approx(0.5) and mu_of(chosen, 14) == mu_of(chosen, 100) == 0.2
    assert mu_of(chosen, 6) == pytest.approx(0.2 + 0.6 * (1 + math.cos(0.2 * math.pi)) / 2)


@pytest.mark.parametrize(("mu", "as_if"), [(0.0, RL), (1.0, SFT)])
def test_chord_at_mu_0_is_rl_and_at_mu_1_is_sft(mu, as_if):
    assert gate("chord", mu_peak=mu, mu_valley=mu)(Context(0.5, step=7)) == as_if


def test_mix_is_chord_with_a_peak_as_high_as_its_valley():
    mix, chord = gate("mix", mu=0.3), gate("chord", mu_peak=0.3, mu_valley=0.3)
    assert mix(Context(0.5)) == chord(Context(0.5, step=9)) == pytest.approx((0.7, 0.0, 0.3))


def test_hpt_is_a_schedule():
    """The switch at gamma 0 and the table that jumps behind P = 0 give the coefficients of n = 8 rollouts alike."""
    table = HPTConfig(strategy="soft", schedule=[[0, 0, 0, 1], [0.125, 1, 0, 0], [1, 1, 0, 0]]).feedback
    for solved in range(9):
        assert table(solved / 8) == switch(0.0)(solved / 8)


@pytest.mark.parametrize(
    ("strategy", "params", "part"),
    [
        ("chord", {"mu_peak": 1.5}, "got hpt.params.mu_peak=1.5; expected a number in [0, 1]"),
        ("chord", {"mu_peak": 0.1, "mu_valley": 0.5}, "expected mu_valley <= mu_peak"),
        ("chord", {"mu_decay": 3}, "Unknown setting 'hpt.params.mu_decay'. Did you mean hpt.params.mu_decay_steps?"),
        ("mix", {"mu": -0.1}, "got hpt.params.mu=-0.1"),
        ("sasr", {"warmup_steps": 0}, "got hpt.params.warmup_steps=0"),
        ("relift", {"sft_data_size": 0}, "got hpt.params.sft_data_size=0"),
        ("curriculum", {"memory": 1.0}, "got hpt.params.memory=1.0"),
        ("switch", {"mu": 0.1}, "got hpt.params with mu; hpt.strategy=switch has no parameters"),
    ],
)
def test_bad_parameters_are_refused(strategy, params, part):
    with pytest.raises(ConfigError) as error:
        HPTConfig(strategy=strategy, params=params)
    assert part in str(error.value)


# ---- the coin ----


def steps_of(coin: Gate, norms: dict[int, float], steps) -> list[str]:
    """What each step is, where an update's gradient norm is ``norms[step]``, else 1."""
    found = []
    for step in steps:
        found.append({SFT: "sft", RL: "rl"}[coin(Context(0.5, step=step))])
        coin.observe({"hpt/grad_norm": norms.get(step, 1.0)})
    return found


def test_the_coin_warms_up_and_follows_the_gradient_norms():
    chosen = gate("sasr", warmup_steps=3, gamma=1.0)
    assert steps_of(chosen, {2: 7.0, 3: 4.0}, (1, 2, 3)) == ["sft"] * 3
    assert chosen.state_dict() == {"first_norm": 4.0, "last_norm": 4.0}
    always, never = gate("sasr", warmup_steps=1, gamma=0.0), gate("sasr", warmup_steps=1, gamma=1e12)
    assert set(steps_of(always, {}, range(1, 30))) == {"sft"}
    assert steps_of(never, {}, range(1, 30)) == ["sft", *["rl"] * 28]
    # Half of the steps with g = g_0 and gamma = 1; a fifth with g = g_0 / 4.
    even = steps_of(gate("sasr", warmup_steps=1), {}, range(1, 2001))
    assert even.count("sft") == pytest.approx(1000, abs=5 * math.sqrt(500))
    small = {step: 0.25 for step in range(2, 2001)}
    rarer = steps_of(gate("sasr", warmup_steps=1), small, range(1, 2001))
    assert rarer.count("sft") == pytest.approx(400, abs=5 * math.sqrt(320))


def test_an_rl_step_and_a_gradient_that_is_not_finite_leave_the_norm_alone():
    chosen = gate("sasr", warmup_steps=1, gamma=1e12)
    steps_of(chosen, {1: 2.0, 2: 9.0}, (1, 2))  # the second is RL
    assert chosen.state_dict() == {"first_norm": 2.0, "last_norm": 2.0}
    always = gate("sasr", warmup_steps=1, gamma=0.0)
    steps_of(always, {1: 2.0, 2: math.nan, 3: math.inf}, (1, 2, 3))
    assert always.state_dict() == {"first_norm": 2.0, "last_norm": 2.0}


def test_the_coin_falls_alike_when_a_step_is_repeated_and_otherwise_with_another_seed():
    steps = range(1, 200)
    assert steps_of(gate("sasr"), {}, steps) == steps_of(gate("sasr"), {}, steps)
    assert steps_of(gate("sasr"), {}, steps) != steps_of(gate("sasr", seed=1), {}, steps)


# ---- memory ----


def test_a_curriculum_remembers_each_question():
    chosen = gate_of(HPTConfig(strategy="curriculum", gamma=0.25, params={"memory": 0.5}).feedback)

    def visit(question: str, mean: float) -> Coefficients:
        return chosen(Context(mean, question=question))

    assert visit("a", 0.0) == SFT and visit("b", 0.5) == RL
    assert visit("a", 0.5) == SFT  # 0.25: one lucky group does not end its SFT
    assert visit("a", 0.5) == RL  # 0.375
    assert visit("b", 0.0) == SFT  # 0.25
    assert chosen.state_dict() == {"means": {"a": 0.375, "b": 0.25}}


@pytest.mark.parametrize("strategy", ["sasr", "curriculum"])
def test_a_state_goes_through_a_checkpoint_exactly(strategy):
    """Uninterrupted and resumed from JSON: the same decisions."""

    def run(chosen: Gate, steps) -> list:
        found = []
        for step in steps:
            found.append(chosen(Context((step % 7) / 7, question=str(step % 5), step=step)))
            chosen.observe({"hpt/grad_norm": 1 / step})
        return found

    whole, first, second = (gate(strategy) for _ in range(3))
    expected = run(whole, range(1, 60))
    begun = run(first, range(1, 30))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert begun + run(second, range(30, 60)) == expected
    assert second.state_dict() == whole.state_dict()


def test_a_gate_without_a_state_refuses_one():
    with pytest.raises(ValueError, match=r"got a state \(means\) for ByMean, which has none"):
        gate_of(switch(0.0)).load_state_dict({"means": {}})


# ---- a gate of one's own ----

OWN = """
from hpt.method.gate import RL, SFT, Gate

class Patient(Gate):
    terms = ("on", "sft")

    def __init__(self, patience=1):
        self.patience, self.failures = patience, {}

    def __call__(self, context):
        failed = self.failures.get(context.question, 0) + 1 if context.mean == 0 else 0
        self.failures[context.question] = failed
        return SFT if failed > self.patience else RL

    def state_dict(self):
        return {"failures": self.failures}

    def load_state_dict(self, state):
        self.failures = state["failures"]

class Silent(Patient):
    terms = ("on",)

class Unsaved(Patient):
    def state_dict(self):
        return {"failures": {1, 2}}

def half(mean):
    return 0.5, 0, 0.5
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_gates.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("own_gates", None)


def test_a_gate_of_the_users_is_named_by_its_path(own):
    settings = HPTConfig(strategy="soft", schedule="own_gates:Patient", params={"patience": 2})
    chosen = gate_of(settings.feedback)
    asked = [chosen(Context(0.0, question="a")) for _ in range(3)]
    assert asked == [RL, RL, SFT] and chosen.state_dict() == {"failures": {"a": 3}}
    assert gate_of(settings.feedback).state_dict() == {"failures": {}}  # each run has its own
    check_feedback(settings.feedback, 4, total_steps=10)
    assert trains_on_demonstrations(settings.feedback, 4)


@pytest.mark.parametrize(
    ("schedule", "params", "part"),
    [
        ("own_gates:Patient", {"patients": 2}, "unexpected keyword argument 'patients'"),
        ("own_gates:half", {"patience": 2}, "is a function; expected a Gate"),
        ("type_0", {"patience": 2}, "which only a gate of your own takes"),
        ("own_gates:OWN", {}, "cannot be imported"),
    ],
)
def test_a_gate_that_cannot_be_built_is_refused(own, schedule, params, part):
    with pytest.raises(ConfigError) as error:
        HPTConfig(strategy="soft", schedule=schedule, params=params)
    assert part in str(error.value)


def test_a_gate_that_does_not_name_its_terms_or_cannot_be_saved_is_refused_before_the_run(own):
    silent = HPTConfig(strategy="soft", schedule="own_gates:Silent", params={"patience": 0}).feedback
    with pytest.raises(ValueError, match=r"got sft=1\.0 from the gate 'own_gates:Silent'.*name every term"):
        check_feedback(silent, 4)
    unsaved = HPTConfig(strategy="soft", schedule="own_gates:Unsaved").feedback
    with pytest.raises(ValueError, match="which JSON cannot hold"):
        check_feedback(unsaved, 4)


def test_a_function_of_p_is_a_gate_with_the_terms_that_it_uses():
    asked = ByMean(constant(Coefficients(0.0, 1.0, 0.0)))
    assert list(asked.terms) == ["off"] and asked(Context(0.5)) == (0, 1, 0)
    assert gate_of(asked) is asked
