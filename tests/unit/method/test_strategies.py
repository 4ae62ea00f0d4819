# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The table of strategies, and how a user adds one."""

import subprocess
import sys

import pytest

from hpt.common.errors import ConfigError
from hpt.method import strategies as module
from hpt.method.config import HPTConfig
from hpt.method.estimator.rows import REWEIGHTINGS
from hpt.method.gate import Coefficients, Context, constant, gate_of
from hpt.method.strategies import STRATEGIES, Strategy, register_strategy, trains_on_demonstrations
from hpt.upge import ALGORITHMS


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(module, "STRATEGIES", dict(STRATEGIES))
    return module.STRATEGIES


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_that_a_strategy_uses_exists(name):
    strategy = STRATEGIES[name]
    assert strategy.rollouts in ALGORITHMS and strategy.demonstrations in ALGORITHMS
    assert strategy.sft in ALGORITHMS
    assert strategy.reweighting is None or strategy.reweighting in REWEIGHTINGS
    assert strategy.length in (None, "constant", "row", "group", "step")


@pytest.mark.parametrize(
    ("name", "at_0", "at_half"),
    [
        ("switch", (0, 0, 1), (1, 0, 0)),
        ("rl_only", (1, 0, 0), (1, 0, 0)),
        ("sft_only", (0, 0, 1), (0, 0, 1)),
        ("luffy", (1, 1, 0), (1, 1, 0)),
        ("srft", (1, 1, 1), (1, 1, 1)),
        ("off_on", (0, 1, 0), (1, 0, 0)),
        ("mix_on", (0, 1, 1), (1, 0, 0)),
        ("soft", (0, 0, 1), (0.5, 0.5, 0.125)),
        ("superrl", (0, 0, 1), (1, 0, 0)),
        ("mix", (0.9, 0, 0.1), (0.9, 0, 0.1)),
        ("rl_plus", (1, 1, 0), (1, 1, 0)),
        ("relift", (1, 0, 1), (1, 0, 0)),
        ("self_distill", (0, 0, 1), (1, 0, 0)),
        ("curriculum", (0, 0, 1), (1, 0, 0)),
    ],
)
def test_coefficients_of_each_strategy(name, at_0, at_half):
    asked = gate_of(HPTConfig(strategy=name).feedback)
    assert (asked(Context(0.0)), asked(Context(0.5))) == (at_0, at_half)


def test_only_plain_sft_does_without_rollouts():
    assert [name for name, strategy in STRATEGIES.items() if not strategy.generates] == ["sft_only"]
    assert STRATEGIES["sft_only"].needs_demonstrations


def test_a_registered_strategy_is_one_of_the_table_and_its_name_is_its_own(table):
    register_strategy("half", Strategy("half of both", lambda settings: constant(Coefficients(0.5, 0.0, 0.5))))
    assert module.STRATEGIES["half"].summary == "half of both"
    with pytest.raises(ValueError, match="'half' is registered already"):
        register_strategy("half", STRATEGIES["switch"])


OWN = """
from hpt.method.gate import Coefficients, constant
from hpt.method.strategies import Strategy, register_strategy

register_strategy("half", Strategy("half of both", lambda settings: constant(Coefficients(0.5, 0.0, 0.5))))
"""


def test_a_plugin_brings_a_strategy_before_the_setting_is_looked_up(tmp_path):
    (tmp_path / "own_strategy.py").write_text(OWN)
    code = (
        "from hpt.method.config import HPTConfig\n"
        "settings = HPTConfig.from_mapping({'strategy': 'half', 'plugins': ['own_strategy']})\n"
        "print(*settings.feedback(0.3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["0.5", "0.0", "0.5"], done.stderr


def test_an_unknown_strategy_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"Unknown hpt.strategy 'swich'. Available: bread, .*switch"):
        HPTConfig(strategy="swich")


def test_feedback_is_tried_at_every_p():
    def broken(mean: float) -> Coefficients:
        if mean == 0.75:
            raise ValueError("no coefficients at 0.75")
        return Coefficients(1, 0, 0)

    module.check_feedback(broken, 3)
    with pytest.raises(ValueError, match=r"at 0\.75"):
        module.check_feedback(broken, 4)


def test_which_strategies_train_on_demonstrations():
    using = {name for name in STRATEGIES if trains_on_demonstrations(HPTConfig(strategy=name).feedback, rollouts=4)}
    assert using == set(STRATEGIES) - {"rl_only", "prefix_rft", "bread", "ghpo", "scaf_grpo"}
    only_p_one_half = HPTConfig(strategy="soft", schedule=[[0, 1, 0, 0], [0.4, 1, 0, 0], [0.5, 0, 1, 0], [1, 1, 0, 0]])
    assert trains_on_demonstrations(only_p_one_half.feedback, rollouts=2)
    assert not trains_on_demonstrations(only_p_one_half.feedback, rollouts=1)
