# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""docs/guides/extending.md: its modules are written to files, its commands are composed and validated."""

import importlib
import json
import os
import re
import shlex
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from hpt.cli import main
from hpt.common.errors import ConfigError, DataError
from hpt.evaluation.questions import load_benchmarks
from hpt.evaluation.settings import EvaluationSettings
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import terms_of
from hpt.method.gate import Context, gate_of, mean_score
from hpt.method.proof.check import check_entry
from hpt.method.strategies import STRATEGIES
from hpt.upge import ALGORITHMS
from hpt.verifier import Verdict, VerifierPool, kinds
from recipe.hpt.configs import compose
from recipe.hpt.launch import ROOT
from recipe.hpt.reproduction.task.questions import write_task
from tests.helpers.settings import prepare
from tests.unit.evaluation.helpers import row, write

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "guides" / "extending.md").read_text()
MODULES = dict(re.findall(r"^`(\w+)\.py`:.*?```python\n(.*?)```", PAGE, re.M | re.S))
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    for line in block.replace("\\\n", " ").splitlines()
]


def command(*parts: str) -> list[str]:
    """The arguments, after ``hpt`` or the module's name, of the page's only command with these parts."""
    (found,) = [words for words in COMMANDS if all(part in " ".join(words) for part in parts)]
    return found[1:] if found[0] == "hpt" else found[3:]


@pytest.fixture(autouse=True)
def own_modules(tmp_path, monkeypatch):
    """The page's modules as a user has them, in the folder that commands are started in; nothing stays."""
    before = dict(os.environ)
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    algorithms, strategies, own = dict(ALGORITHMS), dict(STRATEGIES), dict(kinds._OWN)
    yield
    for registry, entries in ((ALGORITHMS, algorithms), (STRATEGIES, strategies), (kinds._OWN, own)):
        registry.clear()
        registry.update(entries)
    for name in MODULES:
        sys.modules.pop(name, None)
    os.environ.clear()
    os.environ.update(before)


def written(name: str, text: str) -> None:
    """A module of a user who made a mistake."""
    with open(f"{name}.py", "w") as file:
        file.write(text)
    importlib.invalidate_caches()


def prepared(arguments, folder, **changes):
    """A training's configuration, validated as a launch validates it."""
    config = compose([item for item in arguments if "=" in item])
    write_task(folder, train_size=8, val_per_level=1, seed=0)
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "config.json").write_text("{}")
    own = {
        "data.train_files": str(folder / "train.parquet"),
        "data.val_files": str(folder / "val.parquet"),
        "actor_rollout_ref.model.path": str(folder / "model"),
        **changes,
    }
    for key, value in own.items():
        OmegaConf.update(config, key, value, force_add=True)
    prepare(config)
    return config


def shown(part: str) -> str:
    """A message, or its beginning, that the page's tables have."""
    assert part in PAGE
    return part


def test_the_page_has_the_modules_and_their_commands():
    assert list(MODULES) == ["my_algorithm", "my_gate", "my_memory", "my_strategy", "my_verifier", "my_reward"]
    assert len(COMMANDS) == 9


# ---- an algorithm ----


def test_the_algorithm_trains_on_correct_rollouts(tmp_path):
    config = prepared(command("my_algorithm"), tmp_path)
    rollouts, _ = terms_of(HPTConfig.from_mapping(config.hpt))
    assert rollouts.credit([1.0, 0.0, 1.0]) == [1.0, 0.0, 1.0]
    result = check_entry("correct_only", 0, 4, 6, {})
    assert result.largest <= result.tolerance


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hpt.plugins=[my_algoritm]", "got hpt.plugins with 'my_algoritm', which cannot be imported ("),
        (
            "hpt.rollout_algorithm=corect_only",
            "Unknown algorithm 'corect_only'. Available: chord_phi, cispo, correct_only, ",
        ),
        ("hpt.rollout_algorithm=ppo", "got the algorithm 'ppo', whose advantage is GAE; "),
    ],
)  # fmt: skip
def test_mistakes_with_algorithms(tmp_path, override, message):
    with pytest.raises(ConfigError, match=re.escape(shown(message))):
        prepared([*command("my_algorithm"), override], tmp_path)


def test_an_algorithms_name_is_its_own(tmp_path):
    written("takes_a_name", MODULES["my_algorithm"].replace('"correct_only"', '"grpo"'))
    message = shown("Algorithm 'grpo' is registered already; choose another name than ")
    with pytest.raises(ConfigError, match=re.escape(message)):
        prepared(["hpt.plugins=[takes_a_name]"], tmp_path)


# ---- a gate ----


def test_the_gate_decides_by_the_mean_score(tmp_path):
    settings = HPTConfig.from_mapping(prepared(command("my_gate"), tmp_path).hpt)
    asked = [tuple(settings.feedback(mean)) for mean in (0.0, 0.25, 1.0)]
    assert asked == [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zon", "got the schedule 'my_gate:zon', which cannot be imported ("),
        ("LIMIT", "got the schedule 'my_gate:LIMIT', 0.5; expected a function of P, or a Gate"),
        (
            "half",
            "got 0.5 from the schedule 'my_gate:half' at P = 0.0; expected three finite numbers >= 0 (on, off, sft)",
        ),
        (
            "minus",
            "got the coefficients (-1.0, 0.0, 0.0) at P = 0.0; expected three finite numbers >= 0 (on, off, sft)",
        ),
    ],
)  # fmt: skip
def test_mistakes_with_gates(tmp_path, name, message):
    more = "LIMIT = 0.5\n\n\ndef half(mean):\n    return 0.5\n\n\ndef minus(mean):\n    return -1, 0, 0\n"
    written("my_gate", MODULES["my_gate"] + more)
    with pytest.raises(ConfigError, match=re.escape(shown(message))):
        prepared(["hpt.strategy=soft", f"hpt.schedule=my_gate:{name}"], tmp_path)


# ---- a gate that sees more ----


def asked(chosen, *scores, question="a", step=1):
    return tuple(chosen(Context(mean_score(scores), scores, question, step, total_steps=10)))


def test_the_gate_remembers_and_follows_the_step(tmp_path):
    settings = HPTConfig.from_mapping(prepared(command("my_memory"), tmp_path).hpt)
    chosen = gate_of(settings.feedback)
    assert asked(chosen, 0, 0, step=5) == (0.0, 0.0, pytest.approx(1 - 0.9 * 0.5))
    assert asked(chosen, 0, 1) == asked(chosen, 0, 0) == (1.0, 0.0, 0.0)
    assert asked(chosen, 0, 0, question="b")[0] == 0.0
    resumed = gate_of(settings.feedback)
    resumed.load_state_dict(json.loads(json.dumps(chosen.state_dict())))
    assert asked(resumed, 0, 0) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["Memory", "+hpt.params.fadin=0.9"], "got hpt.params={'fadin': 0.9} for the gate 'my_memory:Memory': "),
        (
            ["Silent"],
            "got sft=1.0 from the gate 'my_memory:Silent' at P = 0.0, whose terms are ['on']; expected it to name "
            "every term that it uses",
        ),
        (["Unsaved"], "got a gate with the state {'solved': set()}, which JSON cannot hold: "),
    ],
)  # fmt: skip
def test_mistakes_with_gates_that_see_more(tmp_path, overrides, message):
    more = """

class Silent(Gate):
    terms = ["on"]

    def __call__(self, context):
        return 0, 0, 1


class Unsaved(Memory):
    def __call__(self, context):
        return RL

    def state_dict(self):
        return {"solved": set()}
"""
    written("my_memory", MODULES["my_memory"] + more)
    with pytest.raises(ConfigError, match=re.escape(shown(message))):
        prepared(["hpt.strategy=soft", f"hpt.schedule=my_memory:{overrides[0]}", *overrides[1:]], tmp_path)


# ---- a strategy ----


def test_the_strategy_is_selected_by_its_name(tmp_path):
    settings = HPTConfig.from_mapping(prepared(command("my_strategy"), tmp_path).hpt)
    assert [settings.feedback(mean).sft for mean in (0.25, 0.5, 1.0)] == [1.0, 0.0, 0.0]
    assert settings.rollout_entry == "grpo"


# ---- a verifier ----


def questions(folder, *answers):
    """A file of questions for the page's verifier."""
    info = {"verifier_kind": "word_count"}
    rows = [
        row(i, reward_model={"style": "rule", "ground_truth": gold}, extra_info={**info, "id": str(i)})
        for i, gold in enumerate(answers)
    ]  # fmt: skip
    return write(folder / "questions.parquet", rows)


def test_the_verifier_from_the_command_line(capsys):
    assert main(command("hpt verify check")) == 0
    assert capsys.readouterr().out == "score 1, correct, extracted '2'\n"


def test_the_verifier_in_an_evaluation_and_its_gold_answers(tmp_path):
    (arguments,) = [words for words in COMMANDS if "recipe.hpt.main_eval" in words]
    given = OmegaConf.to_container(OmegaConf.from_dotlist(arguments[3:]))
    file = questions(tmp_path, "2", "two")
    unknown = shown("unknown verifier_kind 'word_count', expected one of math, choice")
    with pytest.raises(DataError, match=re.escape(unknown)):
        load_benchmarks([str(file)])
    (plugin,) = EvaluationSettings.from_mapping(given).plugins
    importlib.import_module(plugin)
    part = shown("the gold answer 'two' cannot be verified: its verifier fails with it (")
    with pytest.raises(DataError, match=re.escape(part)) as error:
        load_benchmarks([str(file)])
    assert len(error.value.problems) == 1 and error.value.problems[0].row == 1
    (benchmark,) = load_benchmarks([str(questions(tmp_path, "2", "3"))])
    assert [each.kind for each in benchmark.questions] == ["word_count"] * 2
    assert main(command("hpt data check")) == 0


def test_the_verifier_in_a_training(tmp_path):
    from verl.trainer.ppo.reward import get_custom_reward_fn

    arguments = command("main_hpt", "my_verifier")
    rows = pq.read_table(questions(tmp_path, "2", "3")).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**each, "target": "two words"} for each in rows]), "own.parquet")  # fmt: skip
    config = prepared(arguments, tmp_path, **{"data.train_files": "own.parquet"})
    # As verl's reward workers, which know the resolved configuration only.
    kinds._OWN.clear()
    sys.modules.pop("my_verifier")
    reward = get_custom_reward_fn(config)
    info = {"verifier_kind": "word_count"}

    async def scores():
        return [
            (await reward(data_source="", solution_str=text, ground_truth="2", extra_info=info))["score"]
            for text in ("<think>one two</think> so three words", "two words")
        ]  # fmt: skip

    import asyncio

    assert asyncio.run(scores()) == [0.0, 1.0]


def test_a_verifier_that_hangs_or_returns_something_else(caplog):
    text = """
from hpt.verifier import register_kind

@register_kind("endless")
def endless(response, gold):
    while True:
        pass

@register_kind("number")
def number(response, gold):
    return 1.0
"""
    written("bad_verifier", text)
    importlib.import_module("bad_verifier")
    with VerifierPool(workers=2, timeout_s=1.0) as pool:
        verdicts = pool.verify_many([("x", "y", "endless"), ("x", "y", "number")])
    assert verdicts == [Verdict("timeout"), Verdict("crashed")]
    assert "returned 1.0; expected an hpt.verifier.Verdict" in caplog.text
    sys.modules.pop("bad_verifier")


def test_a_verifiers_name_and_function():
    part = shown("Kind of answer 'math' is registered already; choose another name than math, choice.")  # fmt: skip
    with pytest.raises(ValueError, match=re.escape(part)):
        kinds.register_kind("math")(test_a_verifiers_name_and_function)
    part = shown("which a worker process cannot import; ")
    with pytest.raises(ValueError, match=re.escape(part)):
        kinds.register_kind("word_count")(lambda response, gold: Verdict("wrong"))
    assert not kinds._OWN


# ---- a reward function ----


def test_the_reward_function(tmp_path):
    from verl.trainer.ppo.reward import get_custom_reward_fn

    config = prepared(command("my_reward"), tmp_path)
    assert "verifier_plugins" not in config.reward.custom_reward_function.reward_kwargs
    reward = get_custom_reward_fn(config)
    assert reward(data_source="", solution_str="about 40", ground_truth="50") == 0.5
    assert reward(data_source="", solution_str="", ground_truth="50") == 0.0


@pytest.mark.parametrize(
    "override",
    ["reward.custom_reward_function.path=my_rewrad.py", "reward.custom_reward_function.name=score"],
)
def test_mistakes_with_reward_functions(tmp_path, override):
    shown("got reward.custom_reward_function.path=my_rewrad.py and name=compute_score, which cannot be loaded (")
    with pytest.raises(ConfigError, match=r"^got reward.custom_reward_function.path=my_rew.* cannot be loaded"):
        prepared([*command("my_reward"), override], tmp_path)


def test_a_score_the_gate_cannot_read():
    part = shown("got a rollout score of 2.0; the gate compares the mean score with gamma in [0, 1]: ")  # fmt: skip
    with pytest.raises(ValueError, match=re.escape(part)):
        mean_score([1.0, 2.0])
