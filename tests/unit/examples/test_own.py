# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gate and verifier of a user's own, by the examples of them."""

import re
import time

import pyarrow
import pyarrow.parquet
import pytest

from hpt.config import HPTConfig
from hpt.data import golds
from hpt.evaluation.questions import load_benchmarks
from hpt.gate import Coefficients
from hpt.strategies import STRATEGIES
from hpt.verifier import Verdict, VerifierPool
from tests.unit.examples.test_scripts import EXAMPLES, ROOT

KIND = "examples.own_verifier:within_a_percent"
MISTAKES = """
from hpt.verifier import Verdict

def whole_response(response, answer):
    return Verdict("correct", response)

def endless(response, answer):
    while True:
        pass

def raising(response, answer):
    raise RuntimeError("a mistake of the user's")

def returning_a_number(response, answer):
    return 1.0
"""


@pytest.mark.parametrize("name", ["own_algorithm", "own_gate", "own_verifier"])
def test_the_page_shows_the_examples_as_they_are(name):
    page = (ROOT / "recipe" / "hpt" / "README.md").read_text()
    shown = "\n\n\n".join(re.findall(r"```python\n(.*?)\n```", page, flags=re.DOTALL))
    code = (EXAMPLES / f"{name}.py").read_text().split('"""\n', 1)[1].strip()
    body = re.split(r"\n\n\n(?=@|def |register)", "\n\n\n" + code, maxsplit=1)[1].strip()
    assert body in shown


def test_an_own_gate_is_a_function_of_the_mean_score():
    settings = HPTConfig(strategy="soft", schedule="examples.own_gate:fading")
    feedback = STRATEGIES["soft"].feedback(settings)
    assert feedback(0.0) == Coefficients(0.0, 0.0, 1.0)
    assert feedback(0.25) == Coefficients(0.5, 0.0, 0.5)
    assert feedback(0.5) == feedback(1.0) == Coefficients(1.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A pool whose workers find a module ``mistakes``, as they find what is on PYTHONPATH."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "mistakes.py").write_text(MISTAKES)
    with pytest.MonkeyPatch.context() as patch, VerifierPool(1, timeout_s=1.0) as pool:
        patch.syspath_prepend(folder)
        yield pool


def test_an_own_verifier_decides(pool):
    responses = [r"\boxed{101}", r"\boxed{102}", "101", r"\boxed{many}"]
    verdicts = pool.verify_many([(response, "100", KIND) for response in responses])
    assert verdicts == [
        Verdict("correct", "101"),
        Verdict("wrong", "102"),
        Verdict("no_answer"),
        Verdict("unparsable", "many"),
    ]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("endless", Verdict("timeout")),
        ("raising", Verdict("crashed")),
        ("returning_a_number", Verdict("crashed")),
    ],
)
def test_an_own_verifier_runs_within_the_limits(pool, name, verdict):
    begun = time.monotonic()
    assert pool.verify("x", "1", f"mistakes:{name}") == verdict
    assert time.monotonic() - begun < 60
    assert pool.verify("x", "1", "mistakes:whole_response") == Verdict("correct", "x")


@pytest.mark.parametrize("kind", ["examples.own_verifier:no_such", "no_such_module:verify"])
def test_one_that_cannot_be_imported_is_refused_before_anything_runs(pool, kind):
    with pytest.raises(
        ValueError, match=r"cannot be imported \(.*expected package.module:function"
    ):
        pool.verify("1", "1", kind)


def test_data_may_name_it(tmp_path):
    def write(name, kind):
        question = {
            "data_source": "own",
            "prompt": [{"role": "user", "content": "pi?"}],
            "reward_model": {"style": "rule", "ground_truth": "3.14159"},
            "extra_info": {"verifier_kind": kind},
        }
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([question]), tmp_path / name)
        return str(tmp_path / name)

    good, bad = write("good.parquet", KIND), write("bad.parquet", "examples.own_verifier:no")
    assert golds.gold_file_problems([good]) == []
    (problem,) = golds.gold_file_problems([bad])
    assert "row 0: verifier_kind: got the kind of answer 'examples.own_verifier:no'" in str(problem)
    (benchmark,) = load_benchmarks([good])
    assert benchmark.questions[0].kind == KIND
