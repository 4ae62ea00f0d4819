# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hpt.common.errors import ConfigError
from hpt.evaluation.settings import EvaluationSettings, known_keys
from recipe.hpt.launch import ROOT
from recipe.hpt.main_eval import explain

GIVEN = {"model": "m", "benchmarks": "a.parquet", "out": "o"}


def settings(**changes) -> EvaluationSettings:
    return EvaluationSettings.from_mapping({**GIVEN, **changes})


def composed(name, *overrides):
    with initialize_config_dir(str(ROOT / "recipe" / "hpt" / "config"), version_base=None):
        config = compose(name, overrides=["model=m", "benchmarks=[a.parquet]", "out=o", *overrides])
    return EvaluationSettings.from_mapping(OmegaConf.to_container(config, resolve=True))


def test_defaults_are_the_papers():
    default = composed("eval")
    assert default == settings()
    assert (default.temperature, default.top_p, default.max_tokens) == (0.6, 0.95, 8192)
    names = (
        "aime24",
        "aime25",
        "amc23",
        "math500",
        "minerva",
        "olympiadbench",
        "arc_c",
        "gpqa",
        "mmlu_pro",
    )
    assert [default.samples_of(name) for name in names] == [32, 32, 32, 1, 1, 1, 1, 1, 1]


def test_the_files_say_every_setting():
    text = (ROOT / "recipe" / "hpt" / "config" / "eval.yaml").read_text()
    written = OmegaConf.create(text)
    assert set(written) - {"defaults", "hydra"} == set(known_keys())
    assert set(written.verifier) == set(known_keys("verifier"))
    cpu = composed("eval_cpu")
    assert (cpu.device, cpu.dtype, cpu.batch_invariant) == ("cpu", "float32", False)


def test_n():
    assert settings(n=4).samples_of("math500") == 4
    assert settings(n={"aime24": 2048}).samples_of("aime24") == 2048
    assert settings(n={"aime24": 2048}).samples_of("aime25") == 32
    assert composed("eval", "n={aime24:2048}").samples_of("aime24") == 2048
    assert settings(temperature=0).samples_of("aime24") == 1
    with pytest.raises(ConfigError, match="temperature=0 and n=4"):
        settings(temperature=0, n=4).samples_of("aime24")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temprature": 1.0}, "Unknown setting 'temprature'. Did you mean temperature?"),
        ({"verifier": {"timeout": 1}}, "Unknown setting 'verifier.timeout'. Did you mean verifier.timeout_s?"),
        ({"verifier": 3}, "got verifier=3"),
        ({"model": None}, "model must be given"),
        ({"benchmarks": []}, "got benchmarks="),
        ({"out": " "}, "got out=' '"),
        ({"n": 0}, "got n=0"),
        ({"n": True}, "got n=True"),
        ({"n": {"aime24": 1.5}}, "got n={'aime24': 1.5}"),
        ({"temperature": -0.1}, "got temperature=-0.1"),
        ({"temperature": float("nan")}, "got temperature=nan"),
        ({"top_p": 0}, "got top_p=0"),
        ({"max_tokens": 0}, "got max_tokens=0"),
        ({"seed": -1}, "got seed=-1"),
        ({"prompt_template": "no place"}, "with {prompt} exactly once"),
        ({"device": "tpu"}, "Unknown device 'tpu'. Available: cpu, cuda"),
        ({"dtype": "int8"}, "Unknown dtype"),
        ({"workers": 0}, "got workers=0"),
        ({"tensor_parallel": 2, "device": "cpu", "batch_invariant": False}, "use workers"),
        ({"device": "cpu"}, "set batch_invariant=false"),
        ({"gpu_memory_utilization": 1.5}, "in (0, 1]"),
        ({"enforce_eager": 1}, "expected true or false"),
        ({"bootstrap_resamples": 0}, "got bootstrap_resamples=0"),
        ({"verifier": {"timeout_s": 0}}, "got verifier.timeout_s=0"),
        ({"verifier": {"memory_mb": 0}}, "got verifier.memory_mb=0"),
    ],
)  # fmt: skip
def test_refused(changes, message):
    import re

    with pytest.raises(ConfigError, match=re.escape(message)):
        settings(**changes)


def test_unknown_keys_on_the_command_line():
    message = "Could not override '{}'.\nTo append to your config use +{}=1"
    assert explain(message.format("tempature", "")).startswith("Unknown setting 'tempature'. Did you mean temperature?")
    assert "verifier.workers" in explain(message.format("verifier.worker", ""))
    assert "Available: batch_invariant, benchmarks" in explain(message.format("zzz", ""))
    assert explain("something else") == "something else"


def test_the_verifiers_arguments():
    from hpt.verifier import VerifierPool

    with VerifierPool(**settings(verifier={"workers": 1}).verifier.arguments()) as pool:
        assert pool.workers == 1 and pool.timeout_s == 5.0
