# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What of verl's configuration the hybrid trainer carries out: ranges, what is refused, and what nobody reads.

verl checks few of its settings, and a bad value shows late: after minutes of start-up, or never.
"""

from importlib.util import find_spec
from typing import Annotated, Any, Literal, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import Field, TypeAdapter, ValidationError

from hpt.common.errors import ConfigError
from hpt.common.settings import Positive, expected, one_of, plain
from hpt.method.config import HPTConfig
from hpt.verl_ext import ray_cluster
from hpt.verl_ext.names import verl_reference
from hpt.verl_ext.trainer_modes import check_trainer_mode

ACTOR, ROLLOUT, MODEL = (f"actor_rollout_ref.{name}" for name in ("actor", "rollout", "model"))
_AboveZero = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(gt=0, le=1)]
_Text = Annotated[str, Field(min_length=1)]


class Expected(NamedTuple):
    """What a setting of verl may be: a type with its range, and a remark for the message."""

    type: Any
    remark: str = ""


VALUES: dict[str, Expected] = {
    "model_engine": Expected(Literal["dp"], "dp is FSDP; Megatron, VeOmni and TorchTitan are not supported"),
    f"{ACTOR}.strategy": Expected(Literal["fsdp", "fsdp2"], "other engines are not supported"),
    f"{ROLLOUT}.name": Expected(Literal["vllm"], "other rollout engines are not supported"),
    f"{MODEL}.path": Expected(_Text, "a folder or a hub id; is a variable of the shell unset?"),
    f"{ACTOR}.optim.lr": Expected(_AboveZero),
    f"{ACTOR}.optim.weight_decay": Expected(Annotated[float, Field(ge=0)]),
    f"{ACTOR}.optim.clip_grad": Expected(_AboveZero),
    f"{ACTOR}.ppo_epochs": Expected(Positive),
    f"{ROLLOUT}.n": Expected(Positive),
    f"{ROLLOUT}.temperature": Expected(_AboveZero, "at 0 the rollouts of a question are equal, and teach nothing"),
    f"{ROLLOUT}.top_p": Expected(_Share),
    f"{ROLLOUT}.gpu_memory_utilization": Expected(_Share),
    f"{ROLLOUT}.tensor_model_parallel_size": Expected(Positive),
    f"{ROLLOUT}.data_parallel_size": Expected(Positive),
    f"{ROLLOUT}.pipeline_model_parallel_size": Expected(Positive),
    "trainer.device": Expected(Literal["cuda", "cpu"]),
    "trainer.nnodes": Expected(Positive),
    "trainer.n_gpus_per_node": Expected(Positive),
    "trainer.total_epochs": Expected(Positive),
    "trainer.total_training_steps": Expected(Positive | None),
    "trainer.critic_warmup": Expected(Literal[0], "there is no critic, and no update would be made meanwhile"),
    "trainer.default_local_dir": Expected(_Text, "the run's folder; is a variable of the shell unset?"),
    "trainer.max_actor_ckpt_to_keep": Expected(int | None),
    "trainer.resume_mode": Expected(Literal["auto", "disable", "resume_path"]),
    "data.max_prompt_length": Expected(Positive),
    "data.max_response_length": Expected(Positive),
    "data.seed": Expected(int | None),
}


def check_values(config: DictConfig) -> None:
    """Check the settings of verl whose bad values would show late.

    Raises:
        ConfigError: names the setting, what it got, and what was expected.
    """
    for key, wanted in VALUES.items():
        value = plain(OmegaConf.select(config, key))
        try:
            TypeAdapter(wanted.type).validate_python(value, strict=True)
        except ValidationError:
            remark = f" ({wanted.remark})" if wanted.remark else ""
            raise ConfigError(f"got {key}={value!r}; expected {expected(wanted.type)}{remark}") from None
    _check_no_text(config, verl_reference())
    _check_loggers(config)


_TEXT_OR_NUMBER = "algorithm.rollout_correction.rollout_is_threshold"  # as in "0.5_5.0", two thresholds


def _check_no_text(config: DictConfig, reference: DictConfig, section: str = "") -> None:
    """Refuse a text where verl's default is a switch or a number; Hydra reads ``no`` as a text, which counts as on."""
    for name in map(str, reference):
        key, default, value = f"{section}{name}", OmegaConf.select(reference, name), OmegaConf.select(config, name)
        if isinstance(default, DictConfig) and isinstance(value, DictConfig):
            _check_no_text(value, default, f"{key}.")
        elif isinstance(value, str) and isinstance(default, bool | int | float) and key != _TEXT_OR_NUMBER:
            wanted = "true or false" if isinstance(default, bool) else "a number"
            raise ConfigError(f"got {key}={value}; expected {wanted}")


def _check_loggers(config: DictConfig) -> None:
    from verl.utils.tracking import Tracking

    given = config.trainer.logger
    for name in given if isinstance(given, ListConfig) else [given]:
        one_of("trainer.logger", name, Tracking.supported_backend)
        package = _LOGGER_PACKAGES.get(name, name)
        if package and find_spec(package) is None:
            raise ConfigError(
                f"got trainer.logger={name}, whose package {package} is not installed: install it, or leave it out"
            )


_LOGGER_PACKAGES = {"console": "", "file": "", "vemlp_wandb": "volcengine_ml_platform"}
"""Those that are called otherwise than their logger; "" for none."""


# ---- what is refused ----

REQUIRED = {
    f"{ACTOR}.policy_loss.loss_mode": "hpt",
    "algorithm.adv_estimator": "hpt",
    "trainer.use_v1": True,
}

REFUSED = {
    "algorithm.use_kl_in_reward": "advantages follow from the verifier's scores, and the KL term is "
    f"{ACTOR}.use_kl_loss=true",
    "algorithm.filter_groups.enable": "it takes out groups of equal scores before the gate sees them, the unsolved "
    "questions among them; their advantage is 0 anyway",
    "distillation.enabled": "the hybrid loss has no distillation term",
    "critic.enable": "advantages follow from the verifier's scores; there is no critic to train",
    f"{ACTOR}.checkpoint.async_save": "half a checkpoint would look like a whole one",
}
"""Settings that have to be off -> why."""

# Keys of older versions of verl, which its configuration still has and this launch does not read.
_FORMER = {
    "custom_reward_function": "reward.custom_reward_function",
    "reward_model.num_workers": "reward.num_workers",
    "reward_model.reward_manager": "reward.reward_manager.name",
    "reward_model.reward_loop_source": "reward.reward_manager.source",
    "reward_model.reward_loop_module_path": "reward.reward_manager.module.path",
    "reward_model.reward_loop_class_name": "reward.reward_manager.module.name",
    "reward_model.model.path": "reward.reward_model.model_path",
    "reward_model.reward_kwargs": "reward.reward_kwargs",
    "reward_model": "reward.reward_model",
    "sandbox_fusion": "reward.sandbox_fusion",
}


def check_pairing(config: DictConfig) -> None:
    """Refuse settings that do not work together, or not at all with the hybrid trainer.

    Raises:
        ConfigError: names the setting, and what to do.
    """
    for key, value in REQUIRED.items():
        if (got := OmegaConf.select(config, key)) != value:
            raise ConfigError(f"got {key}={got}; the hybrid trainer works with {key}={value} only")
    check_trainer_mode(config)
    for key, why in REFUSED.items():
        if value := OmegaConf.select(config, key):
            raise ConfigError(f"got {key}={value}; {why}: set it to false")
    _check_former_keys(config)
    if config.trainer.max_actor_ckpt_to_keep == 1:
        raise ConfigError(
            "got trainer.max_actor_ckpt_to_keep=1; verl removes the kept checkpoint before the new one is complete: "
            "set it to 2 or more, or null for all"
        )
    if config.trainer.device != "cpu" and config.hpt.fork_workers:
        raise ConfigError(
            f"got hpt.fork_workers=True and trainer.device={config.trainer.device}; an accelerator's runtime does not "
            "survive a fork: set hpt.fork_workers=false"
        )
    _check_correction(config)
    _check_kernels(config)
    _check_device(config)
    ray_cluster.check_settings(config)


def _check_former_keys(config: DictConfig) -> None:
    for section in ("custom_reward_function", "reward_model", "sandbox_fusion"):
        for key, value in _leaves(section, config.get(section)):
            old = next(old for old in _FORMER if key == old or key.startswith(f"{old}."))
            raise ConfigError(
                f"got {key}={value}, a key of older versions of verl that nobody reads: set "
                f"{_FORMER[old]}{key.removeprefix(old)}"
            )


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    """The values under a name that are set, with their full names."""
    if isinstance(value, DictConfig):
        return [leaf for key in map(str, value) for leaf in _leaves(f"{name}.{key}", value[key])]
    return [] if value is None else [(name, value)]


def _check_correction(config: DictConfig) -> None:
    """verl's corrections for rollouts of another engine need its log-probabilities, and bypass_mode leaves some out."""
    correction, key = config.algorithm.rollout_correction, "algorithm.rollout_correction"
    wanted = {
        name: correction.get(name) for name in ("bypass_mode", "rollout_is", "rollout_rs") if correction.get(name)
    }
    if wanted and not config.actor_rollout_ref.rollout.calculate_log_probs:
        name, value = next(iter(wanted.items()))
        raise ConfigError(
            f"got {key}.{name}={value} and {ROLLOUT}.calculate_log_probs=False; it compares with the rollout engine's "
            f"log-probabilities: set {ROLLOUT}.calculate_log_probs=true"
        )
    if not correction.bypass_mode:
        return
    if correction.rollout_is is not None or correction.loss_type != "ppo_clip":
        raise ConfigError(
            f"got {key}.bypass_mode=True with rollout_is={correction.rollout_is} and loss_type={correction.loss_type}; "
            "verl computes no importance weights in that mode, and our loss has a type of its own: set bypass_mode to "
            "false, or rollout_is=null and loss_type=ppo_clip"
        )


def _check_kernels(config: DictConfig) -> None:
    temperature = config.actor_rollout_ref.rollout.temperature
    if config.actor_rollout_ref.model.use_fused_kernels and temperature != 1:
        raise ConfigError(
            f"got {MODEL}.use_fused_kernels=True and {ROLLOUT}.temperature={temperature}; a demonstration is trained "
            "at temperature 1, and fused kernels take one temperature for all rows: set one of the two to false or 1"
        )


def _check_device(config: DictConfig) -> None:
    if config.trainer.device == "cpu" and config.actor_rollout_ref.actor.strategy != "fsdp2":
        raise ConfigError(
            f"got {ACTOR}.strategy={config.actor_rollout_ref.actor.strategy} and trainer.device=cpu; the first FSDP "
            "sends its parameters through a GPU: set it to fsdp2"
        )
    given = OmegaConf.select(config, f"{ACTOR}.fsdp_config.mixed_precision.param_dtype")
    if str(given) in ("fp16", "float16") and config.trainer.device == "cpu":
        raise ConfigError(
            f"got {ACTOR}.fsdp_config.mixed_precision.param_dtype={given} and trainer.device=cpu; gradients in fp16 "
            "need a scaler of a GPU: set it to fp32"
        )


# ---- what nobody reads ----

_NORMALIZATION = "hpt.normalization says what the loss is a mean over"
_ROWS = "optimizer steps are whole questions, in the order of the batch"
UNREAD = {
    f"{ACTOR}.loss_agg_mode": _NORMALIZATION,
    f"{ACTOR}.loss_scale_factor": _NORMALIZATION,
    f"{ACTOR}.clip_ratio": "set hpt.clip_ratio",
    f"{ACTOR}.clip_ratio_low": "set hpt.clip_ratio=[low, high]",
    f"{ACTOR}.clip_ratio_high": "set hpt.clip_ratio=[low, high]",
    f"{ACTOR}.clip_ratio_c": "the hybrid loss has no dual clip",
    f"{ACTOR}.tau_pos": "the hybrid loss has no such term",
    f"{ACTOR}.tau_neg": "the hybrid loss has no such term",
    f"{ACTOR}.policy_loss": "only loss_mode is read, and is hpt",
    f"{ACTOR}.shuffle": _ROWS,
    f"{ACTOR}.data_loader_seed": _ROWS,
    f"{ACTOR}.calculate_sum_pi_squared": "the hybrid loss does not use it",
    f"{ACTOR}.use_prefix_grouper": "rows of a question may be in different micro-batches",
    f"{ACTOR}.ppo_micro_batch_size": f"set {ACTOR}.ppo_micro_batch_size_per_gpu",
    "algorithm.norm_adv_by_std_in_grpo": "hpt.rollout_algorithm=grpo divides by the deviation",
    "algorithm.gamma": "advantages follow from a question's scores",
    "algorithm.lam": "advantages follow from a question's scores",
    "algorithm.use_pf_ppo": "the rows of a question stay together",
    "algorithm.kl_penalty": f"{ACTOR}.kl_loss_type is the KL term's",
    "algorithm.kl_ctrl": f"{ACTOR}.kl_loss_coef is the KL term's",
    "data.truncation": "no prompt is cut; data.filter_overlong_prompts leaves those that are too long out",
    "trainer.balance_batch": "rows are always balanced over ranks",
    "global_profiler.global_tool_config.nsys.controller_nsight_options": "the trainer runs in the launching process",
}
"""Settings of verl that have no effect on a hybrid training -> what has."""
_OURS = {
    "algorithm.norm_adv_by_std_in_grpo": False,
    f"{ACTOR}.policy_loss.loss_mode": "hpt",
    "data.truncation": "error",
}


def unread(config: DictConfig) -> list[str]:
    """Name each setting of :data:`UNREAD` that differs from verl's default, and what to set in its place."""
    defaults, found = verl_reference(), []
    for key, instead in UNREAD.items():
        for name, value in _leaves(key, OmegaConf.select(config, key)):
            if value != _OURS.get(name, OmegaConf.select(defaults, name)):
                found.append(f"{name}={value} has no effect: {instead}")
    return found


def warnings(config: DictConfig) -> list[str]:
    """What a user should know of settings that are accepted: those without effect, and those that surprise."""
    found, rollouts = unread(config), config.actor_rollout_ref.rollout.n
    settings = HPTConfig.from_mapping(config.hpt)
    if config.actor_rollout_ref.model.trust_remote_code:
        found.append(f"{MODEL}.trust_remote_code=True: code from {config.actor_rollout_ref.model.path} will run")
    if rollouts == 1 and settings.method.generates and not settings.method.in_group:
        found.append(
            f"{ROLLOUT}.n=1: P is 0 or 1, and a rollout has no group to be compared with; expected n >= 2 for "
            f"hpt.strategy={settings.strategy}"
        )
    if settings.normalization == "released":
        found.append(
            "hpt.normalization=released: the weight of SFT against RL depends on how rows are packed into "
            "micro-batches and ranks, as in the released code; hpt.normalization=prompt does not"
        )
    return found
