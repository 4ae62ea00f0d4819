# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every line of the table in its three colours, on real models, files and folders."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from packaging.specifiers import SpecifierSet
from transformers import AutoTokenizer

from hpt.common.errors import ConfigError
from hpt.preflight import command, data_checks, environment, machine_checks, run_folder
from hpt.preflight.machine_checks import Room
from hpt.preflight.model import ModelSizes, locate
from hpt.preflight.run_record import describe
from hpt.preflight.table import (
    Context,
    Status,
    Step,
    exit_status,
    passed,
    print_checks,
    require_steps,
    run_steps,
    warned,
)
from hpt.verl_ext.dataset import HybridDataset
from hpt.verl_ext.validation import CHECKS
from tests.helpers.checkpoints import write_checkpoint

pytestmark = pytest.mark.slow

GIB = 1 << 30
PASS, WARN, FAIL, NOT_CHECKED = Status
H100 = environment.Gpu("NVIDIA H100 80GB HBM3", 80 * GIB, 79 * GIB, "580.65.06")
# Sizes of a 7B model, without the model.
SEVEN_B = ModelSizes(parameters=7_615_616_512, layers=28, hidden=3584, vocabulary=152064, positions=16384)


@pytest.fixture
def table(configure, monkeypatch):
    """table(*steps, **changes) -> lines of these steps and of what they need."""
    monkeypatch.setattr(environment, "gpus", lambda: None)

    def make(*names, name="quickstart", **changes):
        by_name = {step.name: step for step in command.STEPS}
        wanted: list[str] = []

        def add(step):
            for needed in by_name[step].needs:
                add(needed)
            if step not in wanted:
                wanted.append(step)

        for each in names:
            add(each)
        lines, notes = command.checks(
            configure(name, **changes), [step for step in command.STEPS if step.name in wanted]
        )
        return {line.name: line for line in lines if line.name in names}, notes

    return make


def line(table, step, /, **changes):
    return table(step, **changes)[0][step]


# ---- the machinery ----


def test_every_check_runs_and_says_what_it_lacks(configure, capsys):
    def breaks(context):
        raise ConfigError("got 1; expected 2")

    steps = (
        Step("a", breaks),
        Step("b", lambda context: [passed("b", "fine")], ("a",)),
        Step("c", lambda context: [passed("c", "fine")], ("b",)),
        Step("d", lambda context: [warned("d", "odd [red]markup[/red]", "look at it")]),
    )
    lines = run_steps(steps, Context(configure()))
    assert [(each.status, each.found) for each in lines[:3]] == [
        (FAIL, "got 1; expected 2"), (NOT_CHECKED, "needs: a"), (NOT_CHECKED, "needs: b"),
    ]  # fmt: skip
    assert exit_status(lines) == 2 and exit_status(lines[3:]) == 0
    print_checks(lines, ["a note"])
    shown = capsys.readouterr().out
    assert "odd [red]markup[/red]" in shown and "look at it" in shown and "a note" in shown
    assert shown.rstrip().endswith("pre-flight: 1 warn, 1 fail, 2 not checked")


def test_a_mistake_of_our_own_is_no_line_of_the_table(configure):
    def wrong(context):
        raise AssertionError

    with pytest.raises(AssertionError):
        run_steps([Step("a", wrong)], Context(configure()))


def test_every_check_of_the_validation_is_a_step():
    assert set(CHECKS) <= {step.name for step in command.STEPS}


def test_steps_need_only_what_stands_before_them():
    names = [step.name for step in command.STEPS]
    assert len(set(names)) == len(names)
    for number, step in enumerate(command.STEPS):
        assert set(step.needs) <= set(names[:number])


# ---- settings ----


@pytest.mark.parametrize(
    ("step", "changes", "part"),
    [
        ("modules", {"data__custom_cls__path": "pkg://hpt.data.dataset"}, "pkg://hpt.verl_ext.dataset"),
        ("section hpt", {"hpt__gamma": 2}, "got hpt.gamma=2"),
        ("settings", {"data__max_targt_length": 5}, "Did you mean data.max_target_length"),
        ("trainer", {"algorithm__use_kl_in_reward": True}, "use_kl_in_reward=True"),
        ("demonstrations", {"data__target_overlong": "cut"}, "Unknown data.target_overlong 'cut'"),
        ("batch", {"data__train_batch_size": 60}, "choose a ppo_mini_batch_size that divides"),
        ("prompt template", {"data__prompt_template": "no place"}, "'no place'"),
        ("values", {"trainer__total_epochs": 0}, "got trainer.total_epochs=0"),
        ("verl", {"actor_rollout_ref__actor__optim__lr_scheduler_type": "linear"}, "verl does not accept"),
    ],
)
def test_settings_that_fail(table, step, changes, part):
    found = line(table, step, **changes)
    assert found.status is FAIL and part in found.found
    assert line(table, step).status is PASS


STEPS = "8 optimizer steps of 16 questions"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, f"256 rollouts per batch; {STEPS}; per rank at most 64 rows a step in 1 "),
        ({"trainer__n_gpus_per_node": 4}, "per rank at most 16 rows"),
        ({"hpt__strategy": "sft_only"}, f"64 questions, 0 rollouts per batch; {STEPS}; per rank at most 16 rows"),
        # 3 rollouts and the demonstration.
        ({"hpt__strategy": "luffy"}, f"192 rollouts per batch; {STEPS}; per rank at most 64 rows"),
        ({"actor_rollout_ref__actor__ppo_max_token_len_per_gpu": 1000}, "in 7 micro-batches, if all have 96 tokens"),
    ],
)  # fmt: skip
def test_arithmetic_of_a_batch(table, changes, part):
    assert part in line(table, "batch", **changes).found


TWO_EPOCHS = {"data__train_batch_size": 32, "trainer__total_epochs": 2}


@pytest.mark.parametrize(
    ("changes", "status", "part"),
    [
        ({}, PASS, "96 questions: 1 steps per epoch; 30 steps are 30.00 epochs"),
        ({"data__train_batch_size": 32}, PASS, "3 steps per epoch; 30 steps are 10.00 epochs"),
        (TWO_EPOCHS, WARN, "ends at step 6"),
        ({**TWO_EPOCHS, "trainer__total_training_steps": None}, PASS, "6 steps are 2.00 epochs"),
        ({"data__train_batch_size": 128}, FAIL, "96 questions for batches of 128"),
        ({"data__train_max_samples": 40}, FAIL, "40 questions for batches of 64"),
    ],
)  # fmt: skip
def test_epochs(table, changes, status, part):
    found = line(table, "epochs", **changes)
    assert (found.status, part in found.found) == (status, True), found
    assert bool(found.advice) is (status is not PASS)


# ---- model and tokenizer ----


@pytest.fixture
def altered(inputs, tmp_path):
    """altered(file, **keys) -> a copy of the model with other keys in a JSON file; None removes one."""

    def make(file="tokenizer_config.json", remove=(), as_llama=False, **keys):
        folder = tmp_path / "altered"
        shutil.copytree(inputs / "model", folder)
        if as_llama:  # Qwen2's tokenizer has defaults of its own for what is missing
            change(folder / "config.json", model_type="llama", architectures=["LlamaForCausalLM"])
            change(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
        change(folder / file, **keys)
        for name in remove:
            (folder / name).unlink()
        return str(folder)

    def change(file, **keys):
        content = {**json.loads(file.read_text()), **keys}
        kept = {key: value for key, value in content.items() if value is not None}
        file.write_text(json.dumps(kept))

    return make


BROKEN_TOKENIZERS = [
    ({"remove": ("chat_template.jinja",)}, "it has no chat template"),
    ({"as_llama": True, "eos_token": None}, "it has no EOS token"),
    ({"as_llama": True, "pad_token": None}, "it has no padding token"),
    ({"file": "config.json", "vocab_size": 30}, "its last token is number 36 and the model's embedding has 30 rows"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "part"), BROKEN_TOKENIZERS)
def test_a_tokenizer_that_lacks_something_is_refused(table, configure, altered, change, part):
    path = altered(**change)
    found = line(table, "tokenizer", actor_rollout_ref__model__path=path)
    assert found.status is FAIL and found.found.startswith(part) and found.advice
    steps = [step for step in command.STEPS if step.name != "weights"]  # some of the changes concern them, too
    with pytest.raises(ConfigError) as error:
        require_steps(steps, Context(configure(actor_rollout_ref__model__path=path)))
    assert str(error.value) == f"tokenizer: {found.found}; {found.advice}"


def test_a_template_in_the_settings_takes_the_place_of_the_tokenizers(table, altered):
    path = altered(remove=("chat_template.jinja",))
    changes = {"actor_rollout_ref__model__path": path, "data__prompt_template": "Q: {prompt}\nA:"}
    found, notes = table("tokenizer", "template", **changes)
    assert found["tokenizer"].status is PASS and "data.prompt_template" in found["tokenizer"].found
    assert any("\nQ: " in note and "\nA:" in note for note in notes)


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ("{{ messages[0]['content'] ", "the template cannot be rendered"),
        ("{{ raise_exception('no system') }}", "the template cannot be rendered"),
        ("Hello", "the template cannot be rendered"),
    ],
)
def test_a_template_that_does_not_render(table, altered, template, part):
    path = Path(altered())
    (path / "chat_template.jinja").write_text(template)
    found = line(table, "tokenizer", actor_rollout_ref__model__path=str(path))
    assert found.status is FAIL and found.found == part and found.advice


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"remove": ("model.safetensors",)}, "has no weights"),
        ({"file": "config.json", "model_type": "no_such_type"}, "gives no causal language model"),
    ],
)
def test_a_model_that_cannot_be_trained(table, altered, change, part):
    found = line(table, "model", actor_rollout_ref__model__path=altered(**change))
    assert found.status is FAIL and part in found.found


def test_a_missing_model_leaves_what_needs_it_unchecked(table):
    needing = ("tokenizer", "memory per rank", "disk")
    found, _ = table("model", *needing, actor_rollout_ref__model__path="/no/model")
    assert found["model"].status is FAIL and "/no/model, which does not exist" in found["model"].found
    for name in needing:
        assert found[name].status is NOT_CHECKED


def test_a_hub_id_that_is_not_here_is_left_to_verl_unchecked(table, configure, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found, _ = table("model", "tokenizer", "prompts", actor_rollout_ref__model__path="nobody/no-model")
    assert {each.status for each in found.values()} == {NOT_CHECKED}
    assert "hpt model prepare nobody/no-model" in found["model"].advice
    config = configure(actor_rollout_ref__model__path="nobody/no-model")
    command.require(config)
    assert "not checked: model: nobody/no-model is neither" in capsys.readouterr().err
    assert describe(config, locate(config))["model"] == {"hub_id": "nobody/no-model"}


def test_positions_below_the_longest_row_warn(table):
    lengths = {"data__max_response_length": 300, "actor_rollout_ref__actor__ppo_max_token_len_per_gpu": 1000}
    found = line(table, "model", **lengths)
    assert found.status is WARN and "the longest row has 332 tokens" in found.found


# ---- versions and GPUs ----


def test_this_stack_is_the_pinned_one(table):
    found = line(table, "versions")
    assert found.status is PASS
    assert "verl 0.9.1" in found.found and "(not pinned)" not in found.found


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [("verl", "0.9.0", FAIL), ("torch", "2.12.0", WARN), ("ray", None, FAIL), ("torch", "2.13.0+cpu", PASS)],
)  # fmt: skip
def test_versions(configure, monkeypatch, name, version, status):
    real = machine_checks.version_of
    monkeypatch.setattr(machine_checks, "version_of", lambda asked: version if asked == name else real(asked))
    lines = machine_checks.versions(Context(configure()))
    mine = [each for each in lines if each.found.startswith(name) or status is PASS]
    assert mine[0].status is status
    if status is not PASS:
        pinned = {"verl": "0.9.1", "torch": "2.13.0", "ray": "2.60.0"}[name]
        assert mine[0].advice.startswith(f"expected {name} {pinned}")


def test_a_gpus_stack_has_pins_of_its_own(configure, monkeypatch):
    pins = environment.pins(on_cpu=False)
    assert pins["ray"] == SpecifierSet("==2.60.0")  # of which verl names a range
    context = Context(configure("hpt_trainer"))
    for there, status in (([H100], FAIL), (None, WARN)):  # where there is no GPU it will not run
        monkeypatch.setattr(environment, "gpus", lambda there=there: there)
        lacking = {each.found: each for each in machine_checks.versions(context)}
        assert lacking["flash-attn is not installed"].status is status
        assert lacking["flash-attn is not installed"].advice == "expected flash-attn 2.8.3"


def test_without_the_checkout_a_gpus_pins_are_verls(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "REQUIREMENTS", tmp_path)
    pins = environment.pins(on_cpu=False)
    assert pins["vllm"] == SpecifierSet("==0.24.0") and pins["flash-attn"] == SpecifierSet("==2.8.3")
    assert pins["verl"] == SpecifierSet("==0.9.1") and environment.pins(on_cpu=True) == {}


@pytest.mark.parametrize(("driver", "status"), [("570.211.01", WARN), ("580.65.06", PASS), ("1000.5", PASS)])
def test_the_driver_is_new_enough_for_the_pinned_cuda(configure, monkeypatch, driver, status):
    monkeypatch.setattr(environment, "gpus", lambda: [dataclasses.replace(H100, driver=driver)])
    lines = machine_checks.versions(Context(configure("hpt_trainer")))
    (found,) = [each for each in lines if f"driver {driver}" in each.found]
    assert found.status is status
    assert not any("driver" in each.found for each in machine_checks.versions(Context(configure())))


def test_the_driver_is_the_first_for_the_cuda_that_is_pinned():
    # Another major version of CUDA needs another driver.
    assert str(environment.pins(on_cpu=False)["nvidia-cuda-runtime"]).startswith("==13.")


def test_flash_attention_is_needed_for_packing_and_by_default(configure):
    def needed(**model):
        changes = {f"actor_rollout_ref__model__{key}": value for key, value in model.items()}
        return machine_checks.needs_flash_attention(configure("hpt_trainer", **changes))

    assert needed() and needed(use_remove_padding=False)
    sdpa = {"override_config__attn_implementation": "sdpa"}
    assert needed(**sdpa) and not needed(use_remove_padding=False, **sdpa)
    on_cpu = configure(actor_rollout_ref__model__use_remove_padding=True)
    assert not machine_checks.needs_flash_attention(on_cpu)


@pytest.mark.parametrize(
    ("found", "changes", "status", "part"),
    [
        (None, {}, WARN, "this machine has none"),
        ([], {}, WARN, "this machine has none"),
        ([H100] * 8, {}, PASS, "8 x NVIDIA H100 80GB HBM3, 80.0 GiB each"),
        ([H100] * 4, {}, FAIL, "4 x NVIDIA"),
        ([H100] * 4, {"trainer__nnodes": 2}, WARN, "4 x NVIDIA"),
        ([H100] * 7 + [dataclasses.replace(H100, free=10 * GIB)], {}, WARN, "1 in use, 10.0 GiB free"),
    ],
)  # fmt: skip
def test_gpus(configure, monkeypatch, found, changes, status, part):
    monkeypatch.setattr(environment, "gpus", lambda: found)
    (line,) = machine_checks.devices(Context(configure("hpt_trainer", **changes)))
    assert line.status is status and part in line.found
    assert bool(line.advice) is (status is not PASS)


def test_nvidia_smis_answer_is_read(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\necho "$@" >"$0.asked"\n'
        'echo "NVIDIA H100, NVL, 580.65.06, 95830, 95000"\necho "NVIDIA GB10, 580.95.05, [N/A], [N/A]"\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert environment.gpus() == [environment.Gpu("NVIDIA H100, NVL", 95830 << 20, 95000 << 20, "580.65.06")]
    assert "name,driver_version,memory.total,memory.free" in (tmp_path / "nvidia-smi.asked").read_text()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    environment.gpus()
    assert (tmp_path / "nvidia-smi.asked").read_text().endswith("-i 0,3\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool.write_text("#!/bin/sh\necho 'no driver'\nexit 9\n")
    assert environment.gpus() is None


# ---- memory ----

OFFLOAD = "actor_rollout_ref__actor__fsdp_config__offload_policy"
SHARE = "actor_rollout_ref__rollout__gpu_memory_utilization"


@pytest.mark.parametrize(
    ("size", "changes", "status", "part"),
    [
        (80, {"trainer__n_gpus_per_node": 8}, PASS, "take 14.2 GiB; activations"),
        (80, {"trainer__n_gpus_per_node": 1}, FAIL, "take 113.5 GiB per rank (28.4 GiB, 28.4 GiB, 56.7 GiB) on 1 rank"),
        (80, {"trainer__n_gpus_per_node": 1, OFFLOAD: True}, PASS, "take 113.5 GiB in main memory"),
        (64, {SHARE: 0.2}, FAIL, "vLLM's weights take 14.2 GiB per GPU, its share is 12.8 GiB"),
    ],
)  # fmt: skip
def test_a_7b_model_on_gpus(configure, monkeypatch, size, changes, status, part):
    monkeypatch.setattr(machine_checks, "room_of_rank", lambda config: Room(size * GIB, "GPUs of a test"))
    (found,) = machine_checks.rank_memory(Context(configure("hpt_trainer", **changes), sizes=SEVEN_B))
    assert found.status is status and part in found.found
    assert bool(found.advice) is (status is not PASS)


def test_what_certainly_does_not_fit_is_refused_where_the_gpus_are_known(configure, monkeypatch):
    context = Context(configure("hpt_trainer", trainer__n_gpus_per_node=1), sizes=SEVEN_B)
    monkeypatch.setattr(environment, "gpus", lambda: [H100])
    (found,) = machine_checks.rank_memory(context)
    assert found.status is FAIL and "offload_policy=true" in found.advice
    assert found.found.startswith("weights, gradients and Adam take 113.5 GiB per rank")
    assert "this machine's GPUs" in found.found
    monkeypatch.setenv("RAY_ADDRESS", "local")  # a cluster of the run's own
    assert machine_checks.rank_memory(context) == [found]
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    (elsewhere,) = machine_checks.rank_memory(context)
    assert elsewhere.status is WARN and elsewhere.found == found.found
    monkeypatch.setenv("GPU_MEMORY_GIB", "80")
    (named,) = machine_checks.rank_memory(context)
    assert named.status is FAIL and "GPU_MEMORY_GIB" in named.found


def test_a_cpu_run_is_compared_with_main_memory(table, configure, monkeypatch):
    monkeypatch.setattr(environment, "main_memory", lambda: 8 * GIB)
    assert line(table, "memory per rank").status is PASS
    (found,) = machine_checks.rank_memory(Context(configure(), sizes=SEVEN_B))
    assert found.status is FAIL and "main memory" in found.found


@pytest.mark.parametrize("value", ["x", "0", "-3", "inf", "nan"])
def test_a_budget_is_a_number(table, monkeypatch, value):
    monkeypatch.setenv("GPU_MEMORY_GIB", value)
    found = line(table, "memory per rank", name="hpt_trainer")
    assert found.status is FAIL and f"got GPU_MEMORY_GIB={value}; expected GiB" in found.found


def test_a_budget_takes_the_place_of_gpus(table, monkeypatch):
    found = line(table, "memory per rank", name="hpt_trainer")
    assert found.status is WARN and "set GPU_MEMORY_GIB" in found.advice
    monkeypatch.setenv("GPU_MEMORY_GIB", "24")
    found = line(table, "memory per rank", name="hpt_trainer")
    assert found.status is PASS and "of 24.0 GiB (GPU_MEMORY_GIB)" in found.found


def test_a_cgroup_bounds_main_memory(monkeypatch, tmp_path):
    total = environment.main_memory()
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(f"{1 << 28}\n")
    assert environment.main_memory() == 1 << 28
    (tmp_path / "memory.max").write_text("max\n")
    assert environment.main_memory() == total


# ---- folder and disk ----

KEEP_ALL = {"trainer__max_actor_ckpt_to_keep": None}


@pytest.mark.parametrize("path", ["/proc/hpt/run", "FILE", "FILE/below"])
def test_a_folder_that_cannot_be_written_to(table, tmp_path, path):
    (tmp_path / "file").touch()
    path = path.replace("FILE", str(tmp_path / "file"))
    found = line(table, "output folder", trainer__default_local_dir=path)
    assert found.status is FAIL and found.advice.startswith("name another trainer.default_local_dir")


@pytest.mark.parametrize(
    ("changes", "free", "status", "part"),
    [
        ({}, 228 * GIB, PASS, "2 checkpoints of 113.5 GiB, 228.0 GiB free"),
        ({}, 220 * GIB, FAIL, "2 checkpoints"),
        (KEEP_ALL, 228 * GIB, FAIL, "10 checkpoints"),
        ({**KEEP_ALL, "trainer__total_training_steps": None}, 228 * GIB, WARN, "all are kept"),
        ({"trainer__save_freq": -1}, GIB, WARN, "no checkpoints"),
    ],
)  # fmt: skip
def test_disk(configure, monkeypatch, changes, free, status, part):
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))  # fmt: skip
    context = Context(configure("hpt_trainer", **changes), sizes=SEVEN_B)
    (found,) = machine_checks.disk(context)
    assert found.status is status and part in found.found
    assert bool(found.advice) is (status is not PASS)


# ---- data and template ----


def test_data_that_is_missing_or_bad(table, tmp_path):
    found, _ = table("data", "epochs", "template", data__train_files="/no/train.parquet")
    assert found["data"].status is FAIL and "/no/train.parquet, which does not exist" in found["data"].found
    assert found["epochs"].status is found["template"].status is NOT_CHECKED
    (tmp_path / "bad.parquet").write_text("x")
    assert line(table, "data", data__val_files=str(tmp_path / "bad.parquet")).status is FAIL


def test_examples_are_what_the_trainer_will_see(table, configure, inputs):
    found, notes = table("template")
    assert found["template"].status is PASS
    shown = [note for note in notes if note.startswith("--- example")]
    config = configure()
    tokenizer = AutoTokenizer.from_pretrained(inputs / "model")
    dataset = HybridDataset(config.data.train_files, tokenizer, config.data)
    for number in (0, 1):
        prompt, demonstration = shown[2 * number : 2 * number + 2]
        ids = dataset.demonstration(number)
        assert prompt.endswith(f"\n{dataset[number]['raw_prompt'][0]['content']}")
        assert demonstration == (
            f"--- example {number + 1}: demonstration, {len(ids)} tokens with EOS\n{tokenizer.decode(ids)}"
        )
        assert demonstration.endswith("<|im_end|>")


def test_demonstrations_beyond_the_limit_warn(table):
    long = line(table, "template", data__max_target_length=10)
    assert long.status is WARN and "more than 10" in long.found and "drop applies" in long.advice  # fmt: skip


def test_questions_without_demonstrations_are_shown_as_such(table, inputs, tmp_path):
    rows = pq.read_table(inputs / "train.parquet").drop_columns("target")
    pq.write_table(rows, tmp_path / "plain.parquet")
    plain = {"data__train_files": str(tmp_path / "plain.parquet"), "hpt__strategy": "rl_only"}
    found, notes = table("template", **plain)
    assert found["template"].status is PASS
    assert "--- example 2: no demonstration" in notes


def test_a_long_text_is_shown_by_its_ends():
    text = "a" * 500 + "b" * 500
    shown = data_checks._ends(text)
    assert shown == "a" * 400 + "\n[... 200 characters ...]\n" + "b" * 400
    assert data_checks._ends("a" * 800) == "a" * 800


# ---- what is in the folder ----


def begun(configure, tmp_path, step=None):
    with run_folder.admitted(configure()):
        pass
    if step is not None:
        write_checkpoint(tmp_path / "run", step)


def test_resume_states(table, configure, tmp_path):
    assert line(table, "resume").found == "from the model, at step 1"
    begun(configure, tmp_path, step=15)
    run = tmp_path / "run"

    def state():
        return {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    before = state()
    assert line(table, "resume").found == f"continues {run / 'global_step_15'}, at step 16"
    changed = line(table, "resume", hpt__gamma=0.25)
    assert changed.status is WARN and "hpt.gamma: 0.0 -> 0.25" in changed.found
    over = line(table, "resume", trainer__total_training_steps=15)
    assert over.status is WARN and "raise trainer.total_training_steps" in over.advice
    again = line(table, "resume", trainer__resume_mode="disable")
    assert again.status is WARN and "global_step_15 in the folder will be written over" in again.found
    other = line(table, "resume", hpt__strategy="srft")
    assert other.status is FAIL and "hpt.strategy is srft and was switch" in other.found
    (run / "run.json").unlink()
    del before[run / "run.json"]
    old = line(table, "resume")
    assert old.status is WARN and "has no run.json" in old.found
    assert state() == before


def test_another_process_in_the_folder_fails(table, monkeypatch):
    assert line(table, "other runs").status is PASS
    monkeypatch.setattr(data_checks, "holder_of", lambda folder: "process 7 on here (since now)")
    found = line(table, "other runs")
    assert found.status is FAIL and "where process 7 on here (since now) is training" in found.found
