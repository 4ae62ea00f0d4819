# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import os
import re
import string
import sys
from pathlib import Path

import hydra
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hpt.common.errors import ConfigError, DataError
from hpt.method.config import HPTConfig
from hpt.method.strategies import STRATEGIES
from hpt.verl_ext import batch_sizes, question_files, supported, validation
from recipe.hpt.configs import training_names
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.questions import write_task
from tests.helpers.settings import prepare

pytestmark = pytest.mark.slow

CONFIG_DIR = Path(__file__).parents[3] / "recipe" / "hpt" / "config"
PRIMARY = training_names()
ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"
# Read by a launch, so absent unless a test sets them.
VARIABLES = ("VERL_FILE_LOGGER_PATH", "TENSORBOARD_DIR", "VERL_PLATFORM", "VLLM_TARGET_DEVICE")


def compose(name: str, *overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(CONFIG_DIR), version_base=None):
            return hydra.compose(name, overrides=list(overrides))
    finally:
        GlobalHydra.instance().clear()


@pytest.fixture(scope="module")
def composed() -> dict[str, DictConfig]:
    return {name: compose(name) for name in PRIMARY}


@pytest.fixture(params=PRIMARY)
def shipped(request, composed) -> DictConfig:
    """Each shipped configuration, to change at will."""
    return composed[request.param].copy()


@pytest.fixture
def config(composed) -> DictConfig:
    return composed["quickstart"].copy()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """A launch sets variables for the processes it starts; none of them may reach another test."""
    before = dict(os.environ)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A run's inputs: questions, and a small model."""
    folder = tmp_path_factory.mktemp("inputs")
    write_task(folder, train_size=8, val_per_level=1, seed=0)
    build_model(BaseModelSettings(hidden_size=32, num_layers=1, num_heads=1), build_tokenizer()).save_pretrained(
        folder / "model"
    )
    return folder


def change(config: DictConfig, **changes) -> DictConfig:
    """Set ``a__b__c=value`` as ``a.b.c``."""
    with open_dict(config):
        for key, value in changes.items():
            OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    return config


def with_files(config: DictConfig, files: Path, run: Path) -> DictConfig:
    return change(
        config,
        data__train_files=str(files / "train.parquet"),
        data__val_files=str(files / "val.parquet"),
        actor_rollout_ref__model__path=str(files / "model"),
        trainer__default_local_dir=str(run),
    )


def refused(check, config: DictConfig) -> str:
    with pytest.raises(ConfigError) as error:
        check(config)
    return str(error.value)


# ---- the shipped configurations ----


def test_there_are_a_gpu_default_and_a_quickstart():
    assert {"hpt_trainer", "quickstart"} <= set(PRIMARY)


def test_each_shipped_configuration_passes_all_checks(shipped, files, tmp_path):
    config = with_files(shipped, files, tmp_path / "run")
    prepare(config)
    assert not (tmp_path / "run").exists()  # checking writes nothing
    assert os.environ.get("VERL_PLATFORM") == ("cpu" if config.trainer.device == "cpu" else None)


def test_each_shipped_hpt_section_sets_every_setting(shipped):
    section = OmegaConf.to_container(shipped.hpt, resolve=True)
    assert set(section) == set(HPTConfig.known())
    HPTConfig.from_mapping(section)


def test_the_gpu_default_is_the_papers_setting(composed):
    config = composed["hpt_trainer"]
    assert HPTConfig.from_mapping(OmegaConf.to_container(config.hpt)) == HPTConfig()
    assert config.data.train_batch_size == 128
    assert config.data.max_response_length == 8192
    assert config.actor_rollout_ref.actor.ppo_mini_batch_size == 64
    assert config.actor_rollout_ref.actor.optim.lr == 5e-6
    assert config.actor_rollout_ref.actor.entropy_coeff == 0.0
    assert config.actor_rollout_ref.actor.use_kl_loss is False
    assert config.actor_rollout_ref.rollout.n == 8
    assert config.actor_rollout_ref.rollout.temperature == 1.0


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"data__custom_cls__path": "pkg://hpt.data.dataset"}, "set data.custom_cls.path=pkg://hpt.verl_ext.dataset"),
        ({"hpt__gamma": 2.0}, "got hpt.gamma=2.0"),
        ({"hpt__gama": 0.5}, "Did you mean hpt.gamma?"),
        ({"data__max_targt_length": 5}, "Did you mean data.max_target_length?"),
        ({"data__target_overlong": "truncate"}, "Unknown data.target_overlong 'truncate'. Available: drop, error"),
        ({"data__target_key": "prompt"}, "data.target_key and data.prompt_key are both 'prompt'"),
        ({"data__max_target_length": "many"}, "data.max_target_length, or data.max_response_length"),
        ({"data__train_max_samples": 4, "data__seed": None}, "data.train_max_samples=4 with data.shuffle"),
        ({"data__train_batch_size": 0}, "got data.train_batch_size=0"),
        ({"trainer__v1__trainer_mode": "sync"}, "expected hpt_sync"),
        ({"actor_rollout_ref__model__path": "/no/such/model"}, "/no/such/model"),
        ({"data__prompt_template": "no place"}, "'no place'"),
        ({"data__val_files": "/no/such.parquet"}, "/no/such.parquet"),
        ({"trainer__total_epochs": 0}, "got trainer.total_epochs=0"),
        ({"trainer__default_local_dir": ""}, "is a variable of the shell unset?"),
        ({"trainer__default_local_dir": None}, "got trainer.default_local_dir=None"),
        ({"trainer__max_actor_ckpt_to_keep": "two"}, "got trainer.max_actor_ckpt_to_keep='two'"),
        ({"trainer__save_freq": "no"}, "got trainer.save_freq=no; expected a number"),
        ({"trainer__test_freq": "ten"}, "got trainer.test_freq=ten; expected a number"),
        ({"data__seed": "abc"}, "got data.seed='abc'"),
        ({"data__shuffle": "off"}, "got data.shuffle=off; expected true or false"),
        ({"actor_rollout_ref__actor__use_kl_loss": "no"}, "use_kl_loss=no; expected true or false"),
        ({"actor_rollout_ref__rollout__val_kwargs__temperature": "hot"}, "val_kwargs.temperature=hot; expected a num"),
        ({"actor_rollout_ref__actor__optim__lr_scheduler_type": "linear"}, "verl does not accept this configuration"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_prepare_makes_every_check(config, files, tmp_path, changes, part):
    config = change(with_files(config, files, tmp_path), **changes)
    assert part in refused(prepare, config)
    # Refused before anything was written or moved aside.
    assert list(tmp_path.iterdir()) == []


def test_a_bad_row_is_a_data_error(config, files, tmp_path):
    bad = tmp_path / "bad.parquet"
    bad.write_text("not parquet")
    config = change(with_files(config, files, tmp_path / "run"), data__train_files=str(bad))
    with pytest.raises(DataError, match=re.escape(str(bad))):
        prepare(config)


# ---- sizes ----


@pytest.mark.parametrize(
    "key",
    [
        "data.train_batch_size",
        "data.max_response_length",
        f"{ACTOR}.ppo_mini_batch_size",
        f"{ROLLOUT}.n",
        "trainer.n_gpus_per_node",
        "trainer.nnodes",
    ],
)
@pytest.mark.parametrize("value", [0, -4, 1.5, "8", None, True])
def test_sizes_are_whole_numbers_from_1(config, key, value):
    message = refused(batch_sizes.check_batch, change(config, **{key.replace(".", "__"): value}))
    assert message == f"got {key}={value!r}; expected a whole number >= 1"


def sizes(config, batch=24, step=8, n=4, ranks=1, **more) -> DictConfig:
    return change(
        config,
        data__train_batch_size=batch,
        actor_rollout_ref__actor__ppo_mini_batch_size=step,
        actor_rollout_ref__rollout__n=n,
        trainer__n_gpus_per_node=ranks,
        **more,
    )


@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 16, 32])
def test_whole_steps_on_ranks_that_divide_the_rows_are_accepted(config, ranks):
    batch_sizes.check_batch(sizes(config, ranks=ranks))


def test_a_batch_is_whole_optimizer_steps(config):
    message = refused(batch_sizes.check_batch, sizes(config, batch=20))
    assert "data.train_batch_size=20" in message
    assert f"{ACTOR}.ppo_mini_batch_size=8" in message
    assert "choose a ppo_mini_batch_size that divides" in message


def test_the_rows_of_a_step_are_a_multiple_of_the_ranks_of_all_nodes(config):
    batch_sizes.check_batch(sizes(config, ranks=4, trainer__nnodes=8))
    message = refused(batch_sizes.check_batch, sizes(config, ranks=3, trainer__nnodes=2))
    assert message.startswith("got 8 questions x 4 rollouts per optimizer step on 6 data-parallel ranks; expected")
    for key in (f"{ACTOR}.ppo_mini_batch_size", f"{ROLLOUT}.n", "trainer.n_gpus_per_node"):
        assert key in message


def test_generation_batches_divide_the_batch(config):
    batch_sizes.check_batch(sizes(config, data__gen_batch_size=12))
    message = refused(batch_sizes.check_batch, sizes(config, data__gen_batch_size=7))
    assert "data.gen_batch_size=7 and data.train_batch_size=24" in message


@pytest.mark.parametrize(("target", "longest"), [(None, 100 + 50), (30, 100 + 50), (80, 100 + 80)])
def test_the_longest_row_fits_into_a_micro_batch(config, target, longest):
    lengths = {
        "data__max_prompt_length": 100,
        "data__max_response_length": 50,
        "data__max_target_length": target,
        "actor_rollout_ref__actor__use_dynamic_bsz": True,
    }
    key = "actor_rollout_ref__actor__ppo_max_token_len_per_gpu"
    batch_sizes.check_batch(sizes(config, **lengths, **{key: longest}))
    message = refused(batch_sizes.check_batch, sizes(config, **lengths, **{key: longest - 1}))
    assert f"ppo_max_token_len_per_gpu={longest - 1}" in message
    assert f"at least the longest row, {longest} tokens" in message
    fixed = {f"{section}_micro_batch_size_per_gpu": 1 for section in ("actor__ppo", "rollout__log_prob")}
    lengths |= {f"actor_rollout_ref__{name}": size for name, size in fixed.items()}
    lengths["actor_rollout_ref__actor__use_dynamic_bsz"] = False
    batch_sizes.check_batch(sizes(config, **lengths, **{key: 1}))


# ---- settings that belong together ----


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (f"{ACTOR}.policy_loss.loss_mode", "vanilla", "hpt"),
        ("algorithm.adv_estimator", "grpo", "hpt"),
        ("trainer.use_v1", False, "True"),
    ],
)
def test_settings_of_another_trainer_are_refused(config, key, value, expected):
    message = refused(supported.check_pairing, change(config, **{key.replace(".", "__"): value}))
    assert message == f"got {key}={value}; the hybrid trainer works with {key}={expected} only"


def test_two_thresholds_of_a_correction_are_a_text(config):
    supported.check_values(change(config, algorithm__rollout_correction__rollout_is_threshold="0.5_5.0"))


def test_distillation_is_refused(config):
    message = refused(supported.check_pairing, change(config, distillation__enabled=True))
    assert "distillation.enabled=True" in message and "set it to false" in message


def test_a_cpu_run_needs_a_logical_slot_per_rank(config):
    supported.check_pairing(config)
    # The shipped setting follows the number of ranks ...
    supported.check_pairing(change(config, trainer__n_gpus_per_node=2))
    # ... and one of the user's own has to.
    message = refused(supported.check_pairing, change(config, ray_kwargs__ray_init__num_gpus=1))
    assert "num_gpus=1 on a CPU with 2 ranks" in message
    assert "set ray_kwargs.ray_init.num_gpus=2" in message
    supported.check_pairing(change(config, trainer__device="cuda", hpt__fork_workers=False))


def test_workers_are_not_forked_with_an_accelerator(composed):
    config = change(composed["hpt_trainer"], hpt__fork_workers=True)
    message = refused(supported.check_pairing, config)
    assert "got hpt.fork_workers=True and trainer.device=cuda" in message
    assert "set hpt.fork_workers=false" in message


# ---- model ----


@pytest.mark.parametrize("path", ["/no/such/dir", "./missing", "../missing", "~/no-such-model", "a/b/c"])
def test_a_local_model_has_to_exist(config, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = refused(validation.check_model, change(config, actor_rollout_ref__model__path=path))
    assert f"model.path={path}, which does not exist" in message
    assert "expected a Hugging Face checkpoint" in message


def test_a_folder_without_a_checkpoint_is_refused(config, tmp_path):
    change(config, actor_rollout_ref__model__path=str(tmp_path))
    assert "a folder without config.json" in refused(validation.check_model, config)
    (tmp_path / "config.json").write_text("{}")
    validation.check_model(config)


def test_a_hub_id_is_left_to_the_hub(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    validation.check_model(change(config, actor_rollout_ref__model__path="Qwen/Qwen2.5-Math-1.5B"))


def test_a_home_folder_is_expanded(config, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    validation.check_model(change(config, actor_rollout_ref__model__path="~/m"))


# ---- prompt template ----

TEMPLATES = [
    "{prompt}",
    "User: {prompt}\nAssistant:",
    'It\'s a "question": {prompt}\n\n\tThink \\boxed{{}} \\n {{x}} {% if %} {# no #}\n',
    "Größe — 数学 {prompt} 🙂 é\x1b",
    "\n  {prompt}  \n",
    "a' }} b {prompt}{%- raw -%}",
]


@pytest.fixture(scope="module")
def tokenizer():
    """One token per character."""
    alphabet = [*string.printable, "<unk>"]
    backend = Tokenizer(models.WordLevel({c: i for i, c in enumerate(alphabet)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("question", ["1 + 1 = ?", "{prompt} {{ }} {% x %} 'q' \"q\" \\frac{1}{2}\n"])
def test_the_template_renders_to_its_text_with_the_question_in_place(config, tokenizer, template, question):
    validation.apply_prompt_template(change(config, data__prompt_template=template))
    rendered = tokenizer.apply_chat_template(
        [{"role": "system", "content": "not asked for"}, {"role": "user", "content": question}],
        chat_template=config.actor_rollout_ref.model.custom_chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    before, after = template.split("{prompt}")
    assert rendered == before + question + after


def test_without_a_template_the_tokenizers_own_stays(config):
    before = config.copy()
    validation.apply_prompt_template(config)
    assert config == before
    assert config.actor_rollout_ref.model.get("custom_chat_template") is None


@pytest.mark.parametrize("template", ["", "no place", "{prompt} and {prompt}", "{ prompt }"])
def test_a_template_has_exactly_one_place_for_the_question(config, template):
    change(config, data__prompt_template=template)
    message = refused(validation.apply_prompt_template, config)
    assert f"got data.prompt_template={template!r}; expected a text with {{prompt}}" in message
    assert "exactly once" in message


# ---- data ----


@pytest.mark.parametrize("key", ["train_files", "val_files"])
def test_a_missing_file_is_named_with_a_way_to_get_one(config, files, tmp_path, key):
    good = str(files / "train.parquet")
    config = with_files(config, files, tmp_path)
    change(config, **{f"data__{key}": [good, "~/no such.parquet"]})
    message = refused(question_files.check_data, config)
    missing = os.path.expanduser("~/no such.parquet")
    assert message.startswith(f"got data.{key}={missing}, which does not exist; expected a parquet")
    assert "make quickstart" in message


def test_lists_of_good_files_pass(config, files, tmp_path):
    both = [str(files / "train.parquet"), str(files / "val.parquet")]
    question_files.check_data(change(with_files(config, files, tmp_path), data__train_files=both))


@pytest.mark.parametrize("key", ["train_files", "val_files"])
def test_the_rows_of_all_files_are_looked_at(config, files, tmp_path, key):
    bad = tmp_path / "bad.parquet"
    bad.write_text("x")
    config = with_files(config, files, tmp_path)
    change(config, **{f"data__{key}": [str(files / "train.parquet"), str(bad)]})
    with pytest.raises(DataError, match=re.escape(str(bad))):
        question_files.check_data(config)


@pytest.mark.parametrize("key", ["train_files", "val_files"])
def test_the_configured_columns_are_read(config, files, tmp_path, key):
    other = {"prompt": "question", "target": "gold"}
    with_files(config, files, tmp_path)
    change(config, data__prompt_key=other["prompt"], data__target_key=other["target"])
    for name in ("train_files", "val_files"):
        table = pq.read_table(config.data[name])
        renamed = tmp_path / f"{name}.parquet"
        pq.write_table(table.rename_columns([other.get(c, c) for c in table.column_names]), renamed)
        config.data[name] = str(renamed)
    question_files.check_data(config)
    config.data[key] = str(files / "train.parquet")
    with pytest.raises(DataError, match="question"):
        question_files.check_data(config)


def with_answer(file: Path, row: int, answer: str, folder: Path) -> str:
    """A copy of a file with another gold answer in one row."""
    rows = pq.read_table(file).to_pylist()
    rows[row]["reward_model"]["ground_truth"] = answer
    pq.write_table(pa.Table.from_pylist(rows), folder / file.name)
    return str(folder / file.name)


@pytest.mark.parametrize("key", ["train_files", "val_files"])
def test_a_gold_answer_that_cannot_be_verified_is_named_with_its_row(config, files, tmp_path, key):
    name = key.replace("_files", ".parquet")
    config = with_files(config, files, tmp_path)
    file = config.data[key] = with_answer(files / name, 3, "{", tmp_path)
    with pytest.raises(DataError) as error:
        question_files.check_data(config)
    message = str(error.value)
    assert f"{file}, row 3: the gold answer '{{' cannot be verified" in message
    assert message.startswith("1 problem in the data") and "--unverifiable drop" in message


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_a_gold_answer_that_cannot_be_verified_may_be_kept_or_dropped(config, files, tmp_path, policy):
    config = with_files(config, files, tmp_path)
    config.data.train_files = with_answer(files / "train.parquet", 3, "{", tmp_path)
    config.data.unverifiable = policy
    question_files.check_data(config)
    said = question_files.describe_gold_answers(config)
    assert "1 unverifiable; validation" in said
    assert said.endswith({"keep": "compared as they are written", "drop": "dropped"}[policy])


def test_an_unknown_policy_is_refused(config, files, tmp_path):
    config = with_files(config, files, tmp_path)
    config.data.unverifiable = "ignore"
    with pytest.raises(ConfigError, match=r"data\.unverifiable.*ignore.*drop, fail, keep"):
        question_files.check_data(config)


def test_a_reward_function_of_ones_own_knows_its_gold_answers(config, files, tmp_path):
    config = with_files(config, files, tmp_path)
    config.data.train_files = with_answer(files / "train.parquet", 3, "{", tmp_path)
    config.reward.custom_reward_function.path = "my_rewards.py"
    question_files.check_data(config)


def test_gold_answers_in_other_notations_pass(config, files, tmp_path):
    config = with_files(config, files, tmp_path)
    config.data.train_files = with_answer(files / "train.parquet", 3, r"$\frac{\sqrt{2}}{3}$", tmp_path)
    question_files.check_data(config)


def test_the_built_in_tasks_gold_answers_start_no_process(config, files, tmp_path, monkeypatch):
    def start(*_):
        raise AssertionError("a process was started")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", start)
    monkeypatch.setattr("subprocess.Popen.__init__", start)
    question_files.check_data(with_files(config, files, tmp_path))


# ---- strategies ----


def prepared(config, files, folder, **changes):
    config = change(with_files(config, files, folder), **changes)
    prepare(config)
    return config


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_each_strategy_is_one_override(config, files, tmp_path, strategy):
    n = config.actor_rollout_ref.rollout.n
    rounds = {"sizes": [2, 1, 1], "ratios": [0, 0.5, 1], "thresholds": [0, 0.5, 1]}  # n is 4
    changes = {"hpt__params": rounds} if strategy == "trapo" else {}
    if strategy == "scaf_grpo":
        with pytest.raises(ConfigError, match=r"got data.train_files without a hint"):
            prepared(config, files, tmp_path, hpt__strategy=strategy)
        return
    config = prepared(config, files, tmp_path, hpt__strategy=strategy, **changes)
    # A demonstration takes the place of a rollout.
    assert config.actor_rollout_ref.rollout.n == n - (strategy in ("luffy", "srft", "rl_plus"))
    assert config.actor_rollout_ref.actor.calculate_entropy is (strategy in ("srft", "prefix_rft"))


@pytest.mark.parametrize("strategy", ["luffy", "srft", "rl_plus"])
def test_a_group_of_one_has_no_place_for_a_demonstration(config, strategy):
    change(config, hpt__strategy=strategy, actor_rollout_ref__rollout__n=1)
    settings = HPTConfig.from_mapping(config.hpt)
    message = refused(lambda config: validation.check_strategy(config, settings), config)
    assert "got actor_rollout_ref.rollout.n=1" in message
    assert "expected n >= 2" in message


def test_srft_without_entropy_is_refused(config, files, tmp_path):
    changes = {"hpt__strategy": "srft", "actor_rollout_ref__actor__calculate_entropy": False}
    config = change(with_files(config, files, tmp_path), **changes)
    assert "calculate_entropy=False; hpt.strategy=srft" in refused(prepare, config)


@pytest.mark.parametrize("strategy", ["luffy", "srft", "sft_only"])
def test_questions_without_a_demonstration_are_counted(config, files, tmp_path, strategy):
    table = pq.read_table(files / "train.parquet")
    targets = [None if row in (1, 4) else text for row, text in enumerate(table["target"].to_pylist())]
    lacking = tmp_path / "lacking.parquet"
    column = table.schema.get_field_index("target")
    pq.write_table(table.set_column(column, "target", pa.array(targets, pa.string())), lacking)
    config = change(with_files(config, files, tmp_path), data__train_files=str(lacking))
    prepare(change(config.copy(), hpt__strategy="switch"))
    message = refused(prepare, change(config, hpt__strategy=strategy))
    assert f"got 2 of {len(table)} questions without a demonstration" in message


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hpt__strategy": "swich"}, "Unknown hpt.strategy 'swich'. Available: bread, chord"),
        ({"hpt__rollout_algorithm": "grpoo"}, "Unknown algorithm 'grpoo'. Available: chord_phi"),
        ({"hpt__strategy": "soft", "hpt__schedule": "type_9"}, "Unknown schedule 'type_9'"),
        (
            {"hpt__strategy": "soft", "hpt__schedule": [[0, 0, 0, 1], [0.5, 1, 0, 0]]},
            "without a gap",
        ),
        (
            {"hpt__strategy": "soft", "hpt__schedule": "tests.helpers.schedules:negative"},
            "coefficients (-0.5, 0.0, 0.5) at P = 0.0",
        ),
        *(
            (
                {"hpt__strategy": "soft", "hpt__schedule": "tests.helpers.schedules:Fading"} | steps,
                f"coefficients (0.0, 0.0, {1.5 - last}) at P = 0.0",
            )
            for steps, last in (
                ({"trainer__total_training_steps": 50}, 50),
                ({"trainer__total_training_steps": None}, 2),
            )
        ),
        ({"hpt__off_coef": -1.0}, "got hpt.off_coef=-1.0; expected a number >= 0"),
        ({"hpt__plugins": ["no_such_plugin"]}, "got hpt.plugins with 'no_such_plugin'"),
        ({"hpt__strategy": "sft_only", "hpt__sft_coef": 0.0}, "has no other term"),
        (
            {"hpt__strategy": "sft_only", "actor_rollout_ref__actor__entropy_coeff": 0.01},
            "these terms act on rollouts, and hpt.strategy=sft_only has none",
        ),
        ({"algorithm__use_kl_in_reward": True}, "got algorithm.use_kl_in_reward=True"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_strategy_that_cannot_work_is_refused(config, files, tmp_path, changes, part):
    config = change(with_files(config, files, tmp_path), **changes)
    assert part in refused(prepare, config)
