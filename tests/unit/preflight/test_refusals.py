# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Settings that would break a training late, or change it without a word: refused by run, dry run and check alike."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.errors import HPTError
from hpt.preflight import command, environment
from hpt.preflight.table import Status

pytestmark = pytest.mark.slow

ACTOR, ROLLOUT, MODEL = (f"actor_rollout_ref__{name}__" for name in ("actor", "rollout", "model"))

# What is set -> what the message says: what it got, and what to do.
REFUSED = [
    ({"model_engine": "megatron"}, ("model_engine='megatron'", "Megatron, VeOmni and TorchTitan are not supported")),
    ({ACTOR + "strategy": "megatron"}, ("actor.strategy='megatron'", "one of fsdp, fsdp2")),
    ({ACTOR + "strategy": "fsdp"}, ("actor.strategy=fsdp and trainer.device=cpu", "set it to fsdp2")),
    ({ROLLOUT + "name": "hf"}, ("rollout.name='hf'", "vllm")),
    ({MODEL + "path": None}, ("model.path=None", "is a variable of the shell unset?")),
    ({MODEL + "path": ""}, ("model.path=''", "is a variable of the shell unset?")),
    ({ACTOR + "optim__lr": -1e-6}, ("actor.optim.lr=-1e-06", "a number > 0")),
    ({ACTOR + "optim__lr": 0.0}, ("actor.optim.lr=0.0", "a number > 0")),
    ({ACTOR + "optim__lr": "1e-6x"}, ("actor.optim.lr='1e-6x'", "a number > 0")),
    ({ROLLOUT + "temperature": 0}, ("rollout.temperature=0", "teach nothing")),
    ({ROLLOUT + "top_p": 1.5}, ("rollout.top_p=1.5", "in (0, 1]")),
    ({"trainer__total_epochs": 0}, ("trainer.total_epochs=0", "a whole number >= 1")),
    ({"trainer__total_training_steps": 0}, ("trainer.total_training_steps=0", "null or a whole number >= 1")),
    ({"trainer__critic_warmup": 5}, ("trainer.critic_warmup=5", "no update would be made")),
    ({"trainer__resume_mode": "resume"}, ("trainer.resume_mode='resume'", "auto, disable, resume_path")),
    (
        {"trainer__resume_mode": "resume_path", "trainer__resume_from_path": "/nowhere/global_step_5"},
        ("trainer.resume_from_path=/nowhere/global_step_5", "a folder global_step_N"),
    ),
    ({"trainer__logger": ["console", "wandbb"]}, ("trainer.logger 'wandbb'", "wandb")),
    ({"trainer__logger": ["swanlab"]}, ("trainer.logger=swanlab", "is not installed")),
    ({"critic__enable": True}, ("critic.enable=True", "no critic", "set it to false")),
    ({"algorithm__filter_groups__enable": True}, ("algorithm.filter_groups.enable=True", "before the gate sees them")),
    ({"reward_model__enable": False}, ("reward_model.enable=False", "set reward.reward_model.enable")),
    ({"reward_model__reward_manager": "naive"}, ("reward_model.reward_manager=naive", "reward.reward_manager.name")),
    ({"reward_model__rollout__name": "vllm"}, ("reward_model.rollout.name", "set reward.reward_model.rollout.name")),
    (
        {"custom_reward_function__path": "my.py"},
        ("custom_reward_function.path=my.py", "set reward.custom_reward_function.path"),
    ),
    ({"sandbox_fusion__url": "u"}, ("sandbox_fusion.url=u", "set reward.sandbox_fusion.url")),
    (
        {"algorithm__rollout_correction__rollout_is": "token"},
        ("rollout_correction.rollout_is=token", "set actor_rollout_ref.rollout.calculate_log_probs=true"),
    ),
    (
        {
            "algorithm__rollout_correction__bypass_mode": True,
            "algorithm__rollout_correction__rollout_is": "token",
            ROLLOUT + "calculate_log_probs": True,
        },
        ("rollout_correction.bypass_mode=True", "computes no importance weights", "set bypass_mode to false"),
    ),
    (
        {
            "algorithm__rollout_correction__bypass_mode": True,
            "algorithm__rollout_correction__loss_type": "reinforce",
            ROLLOUT + "calculate_log_probs": True,
        },
        ("loss_type=reinforce", "loss_type=ppo_clip"),
    ),
    (
        {MODEL + "use_fused_kernels": True, ROLLOUT + "temperature": 0.7},
        ("use_fused_kernels=True", "temperature=0.7", "one temperature for all rows"),
    ),
    (
        {ACTOR + "fsdp_config__mixed_precision__param_dtype": "fp16"},
        ("mixed_precision.param_dtype=fp16", "set it to fp32"),
    ),
    (
        {ACTOR + "fsdp_config__ulysses_sequence_parallel_size": 2},
        ("ulysses_sequence_parallel_size=2 on 1 ranks", "a divisor"),
    ),
    (
        {ACTOR + "ulysses_sequence_parallel_size": 2, "trainer__n_gpus_per_node": 2},
        ("ulysses_sequence_parallel_size=2", "set use_remove_padding=true"),
    ),
    (
        {
            ACTOR + "fsdp_config__ulysses_sequence_parallel_size": 2,
            MODEL + "use_remove_padding": True,
            "trainer__n_gpus_per_node": 2,
        },
        ("attn_implementation=sdpa", "its own part of a row", "flash_attention_2"),
    ),
    ({ROLLOUT + "tensor_model_parallel_size": 2}, ("tensor_model_parallel_size=2", "takes 2 ranks, and 1 are there")),
    (
        {ROLLOUT + "log_prob_max_token_len_per_gpu": 50},
        ("rollout.log_prob_max_token_len_per_gpu=50", "the longest row, 96 tokens"),
    ),
    (
        {ACTOR + "use_kl_loss": True, "actor_rollout_ref__ref__log_prob_max_token_len_per_gpu": 50},
        ("ref.log_prob_max_token_len_per_gpu=50", "the longest row, 96 tokens"),
    ),
    (
        {ROLLOUT + "log_prob_use_dynamic_bsz": False},
        ("rollout.log_prob_use_dynamic_bsz=False", "use_dynamic_bsz=True", "leave the first out"),
    ),
    ({ACTOR + "use_dynamic_bsz": False}, ("use_dynamic_bsz=False without", "ppo_micro_batch_size_per_gpu")),
    (
        {
            "hpt__normalization": "released",
            ACTOR + "use_dynamic_bsz": False,
            ACTOR + "ppo_micro_batch_size_per_gpu": 4,
            ROLLOUT + "log_prob_micro_batch_size_per_gpu": 4,
        },
        ("use_dynamic_bsz=False and hpt.normalization=released", "set use_dynamic_bsz=true"),
    ),
    (
        {"hpt__normalization": "released", "hpt__rollout_algorithm": "grpo"},
        ("hpt.rollout_algorithm=grpo and hpt.normalization=released", "leave hpt.rollout_algorithm null"),
    ),
    (
        {"hpt__demonstration_score": "verified", "reward__custom_reward_function__path": "pkg://my.reward"},
        ("hpt.demonstration_score=verified", "pkg://my.reward", "set hpt.demonstration_score=one"),
    ),
    (
        {ACTOR + "use_dynamic_bsz": False, ACTOR + "ppo_micro_batch_size_per_gpu": 4},
        ("use_dynamic_bsz=False without", "rollout.log_prob_micro_batch_size_per_gpu"),
    ),
    (
        {"hpt__strategy": "off_on", "hpt__demonstration_algorithm": "rlsd"},
        ("hpt.demonstration_algorithm=rlsd", "which reads teacher_log_prob"),
    ),
    (
        {"hpt__sft_algorithm": "grpo"},
        ("hpt.sft_algorithm=grpo, which weighs tokens by an advantage", "expected one of chord_phi, dft, eaft"),
    ),
    (
        {"hpt__sft_algorithm": "trsft", "hpt__sft_params": {"alpha": 2.0}},
        ("hpt.sft_params: got alpha=2.0; expected a number in [0, 1]",),
    ),
    (
        {"hpt__sft_algorithm": "iw_sft"},
        ("hpt.sft_algorithm=iw_sft, which reads log pi_0", "actor_rollout_ref.actor.use_kl_loss=true"),
    ),
    (
        {"hpt__strategy": "sft_only", "hpt__sft_algorithm": "self_distill"},
        ("hpt.sft_algorithm=self_distill, by which a teacher scores rollouts", "choose a strategy that samples"),
    ),
    ({"hpt__teacher_prompt": "{question}"}, ("got hpt.teacher_prompt without {demonstration}",)),
    (
        {"hpt__strategy": "trapo", "actor_rollout_ref__rollout__n": 4},
        ("whose rounds have 8 rollouts", "actor_rollout_ref.rollout.n=4"),
    ),
    ({"hpt__strategy": "scaf_grpo"}, ("got data.train_files without a hint", "extra_info.hints")),
    (
        {"hpt__strategy": "uft", "actor_rollout_ref__rollout__agent__agent_loop_manager_class": None},
        ("got hpt.strategy=uft, which draws behind prefixes or in rounds", "hpt.verl_ext.rollouts.RolloutManager"),
    ),
    ({"data__train_batch_size": 4096}, ("96 questions for batches of 4096", "lower data.train_batch_size")),
    ({"data__max_prompt_length": 4}, ("96 of 96 have more than data.max_prompt_length=4", "the longest")),
    (
        {"data__max_prompt_length": 4, "data__filter_overlong_prompts": True},
        ("96 of 96 have more than data.max_prompt_length=4", "raise data.max_prompt_length"),
    ),
]  # fmt: skip


def outcomes(config) -> tuple[str, str]:
    """What the table says of the first failed line, and how a run is refused."""
    lines, _ = command.checks(config.copy())
    failed = [f"{line.found}; {line.advice}" for line in lines if line.status is Status.FAIL]
    with pytest.raises(HPTError) as error:
        command.require(config.copy())
    assert failed, "a run refuses what --check does not"
    return failed[0], str(error.value)


@pytest.mark.parametrize(("changes", "parts"), REFUSED, ids=lambda value: next(iter(value)) if value else None)
def test_run_and_check_refuse_alike_and_say_what_to_do(configure, changes, parts):
    for message in outcomes(configure(**changes)):
        for part in parts:
            assert part in message


def test_what_is_refused_by_chance_of_the_machine_is_not_in_the_way_of_a_good_configuration(configure, capsys):
    command.require(configure())
    said = capsys.readouterr().err
    assert "warning" not in said and "warn:" not in said
    assert "gold answers: training 96 exact" in said


# ---- sequence parallelism: what it allows ----


def test_ranks_that_share_a_row_share_its_tokens(configure, monkeypatch):
    monkeypatch.setattr(environment, "gpus", lambda: None)
    shared = {
        ACTOR + "fsdp_config__ulysses_sequence_parallel_size": 2,
        ACTOR + "ppo_max_token_len_per_gpu": 600,
        ACTOR + "ppo_mini_batch_size": 32,
        "data__train_batch_size": 32,
        "data__max_response_length": 1100,
        "data__max_prompt_length": 32,
        "trainer__n_gpus_per_node": 8,
        ROLLOUT + "max_model_len": None,
        "trainer__total_training_steps": 3,
    }
    lines, _ = command.checks(configure("hpt_trainer", **shared))
    found = {line.name: line for line in lines}
    assert found["batch"].status is Status.PASS, found["batch"]
    # 32 questions x 8 rollouts over 4 data-parallel ranks; two micro-batches of 600 tokens hold a row of 1132.
    assert "at most 64 rows a step in 64 micro-batches, if all have 1132 tokens" in found["batch"].found


def test_heads_have_to_divide_among_ranks_that_share_a_row(configure, monkeypatch):
    monkeypatch.setattr(environment, "gpus", lambda: None)
    shared = {
        ACTOR + "fsdp_config__ulysses_sequence_parallel_size": 4,
        "trainer__n_gpus_per_node": 8,
        "data__train_batch_size": 64,
    }
    lines, _ = command.checks(configure("hpt_trainer", **shared))
    (model,) = (line for line in lines if line.name == "model")
    assert model.status is Status.FAIL and "2 attention heads" in model.found


# ---- data ----


def rewritten(inputs: Path, file: Path, change) -> str:
    rows = pq.read_table(inputs / "train.parquet").to_pylist()
    pq.write_table(change(pa.Table.from_pylist(rows)), file)
    return str(file)


def test_files_of_a_folder_a_pattern_and_an_address_are_read(configure, inputs, tmp_path):
    folder = tmp_path / "questions"
    folder.mkdir()
    for name in ("b", "a"):
        rewritten(inputs, folder / f"{name}.parquet", lambda table: table)
    (folder / "notes.txt").write_text("")
    both = [str(folder / "a.parquet"), str(folder / "b.parquet")]
    for given in (str(folder), f"{folder}/*.parquet", [f"file://{both[0]}", both[1]]):
        config = configure(data__train_files=given)
        command.require(config)
        assert list(config.data.train_files) == both


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("{empty}", ("a folder without a .parquet file",)),
        ("{empty}/*.parquet", ("which does not exist", "a pattern")),
        ("file:///no/such.parquet", ("/no/such.parquet, which does not exist",)),
        ("{lines}", ("is not .parquet", "convert the file")),
    ],
)
def test_what_is_no_question_file_is_called_by_its_name(configure, tmp_path, given, parts):
    (tmp_path / "empty").mkdir()
    (tmp_path / "q.jsonl").write_text("{}\n")
    path = given.format(empty=tmp_path / "empty", lines=tmp_path / "q.jsonl")
    for message in outcomes(configure(data__train_files=path)):
        for part in parts:
            assert part in message


def test_a_model_path_that_is_a_file_is_called_one(configure, inputs):
    for message in outcomes(configure(**{MODEL + "path": str(inputs / "train.parquet")})):
        assert "is a file" in message


def test_files_with_other_types_are_named_with_the_column(configure, inputs, tmp_path):
    def numbers(table):
        place = table.schema.get_field_index("data_source")
        return table.set_column(place, "data_source", pa.array([1] * len(table)))

    other = rewritten(inputs, tmp_path / "other.parquet", lambda table: table.drop_columns("target"))
    command.require(configure(data__train_files=[str(inputs / "train.parquet"), other]))  # one column less is fine
    wrong = rewritten(inputs, tmp_path / "wrong.parquet", numbers)
    for message in outcomes(configure(data__train_files=[str(inputs / "train.parquet"), wrong])):
        assert "data_source" in message and wrong in message


def test_a_columns_type_differs_where_rows_alone_look_good(configure, inputs, tmp_path):
    def with_level(values):
        return lambda table: table.append_column("level", pa.array(values[:1] * len(table)))

    files = [
        rewritten(inputs, tmp_path / f"{name}.parquet", with_level(values))
        for name, values in (("text", ["one"]), ("number", [1.5]))
    ]
    for message in outcomes(configure(data__train_files=files)):
        assert f"the column 'level' as string in {files[0]} and as double in {files[1]}" in message


def test_images_are_refused_in_data_and_model(configure, inputs, tmp_path):
    images = rewritten(
        inputs, tmp_path / "i.parquet", lambda table: table.append_column("images", pa.array([["x"]] * len(table)))
    )
    for message in outcomes(configure(data__train_files=images)):
        assert "the column 'images' (data.image_key)" in message and "text only" in message
    model = tmp_path / "model"
    model.mkdir()
    for file in (inputs / "model").iterdir():
        (model / file.name).symlink_to(file)
    (model / "preprocessor_config.json").write_text("{}")
    for message in outcomes(configure(**{MODEL + "path": str(model)})):
        assert "takes more than text (preprocessor_config.json)" in message


def test_no_demonstration_at_all_is_refused_where_they_are_trained_on(configure, inputs, tmp_path):
    file = rewritten(inputs, tmp_path / "bare.parquet", lambda table: table.drop_columns("target"))
    for message in outcomes(configure(data__train_files=file)):
        assert "96 questions in data.train_files, none with a demonstration (column 'target')" in message
        assert "data.target_key" in message and "hpt.strategy=rl_only" in message
    command.require(configure(data__train_files=file, hpt__strategy="rl_only"))


def test_prompts_that_are_too_long_are_counted_and_left_out(configure, inputs, tmp_path, capsys):
    def longer(table):
        rows = table.to_pylist()
        for row in rows[:3]:
            row["prompt"][0]["content"] += "+1" * 20
        return pa.Table.from_pylist(rows)

    some = {"data__train_files": rewritten(inputs, tmp_path / "long.parquet", longer), "data__max_prompt_length": 20}
    for message in outcomes(configure(**some)):
        assert "3 of 96 have more than data.max_prompt_length=20 tokens, the longest 47" in message
        assert "data.filter_overlong_prompts=true" in message
    command.require(configure(**some, data__filter_overlong_prompts=True))
    assert "3 of 96 have more than data.max_prompt_length=20" in capsys.readouterr().err
    left_out = {**some, "data__filter_overlong_prompts": True, "data__train_batch_size": 96}
    for message in outcomes(configure(**left_out)):
        assert "93 questions for batches of 96: no epoch has a batch" in message


# ---- accepted, with a word ----


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({ACTOR + "loss_agg_mode": "seq-mean-token-mean"}, ("loss_agg_mode=seq-mean-token-mean", "hpt.normalization")),
        ({ACTOR + "clip_ratio": 0.1}, ("actor.clip_ratio=0.1", "hpt.clip_ratio")),
        ({ACTOR + "clip_ratio_high": 0.28}, ("clip_ratio_high=0.28", "hpt.clip_ratio=[low, high]")),
        ({ACTOR + "policy_loss__ppo_kl_coef": 0.2}, ("policy_loss.ppo_kl_coef=0.2", "no effect")),
        ({ACTOR + "shuffle": True}, ("actor.shuffle=True", "no effect")),
        ({"algorithm__norm_adv_by_std_in_grpo": True}, ("norm_adv_by_std_in_grpo=True", "hpt.rollout_algorithm=grpo")),
        ({"algorithm__gamma": 0.9}, ("algorithm.gamma=0.9", "no effect")),
        ({"trainer__balance_batch": False}, ("trainer.balance_batch=False", "no effect")),
        ({"data__truncation": "left"}, ("data.truncation=left", "no prompt is cut")),
        ({MODEL + "trust_remote_code": True}, ("trust_remote_code=True", "will run")),
        ({ROLLOUT + "n": 1}, ("rollout.n=1", "P is 0 or 1", "n >= 2")),
        ({"hpt__normalization": "released"}, ("hpt.normalization=released", "how rows are packed")),
    ],
)
def test_what_has_no_effect_or_surprises_is_said(configure, changes, parts, capsys):
    command.require(configure(**changes))
    warnings = [text for text in capsys.readouterr().err.splitlines() if text.startswith("warn: ")]
    assert any(all(part in text for part in parts) for text in warnings), warnings
