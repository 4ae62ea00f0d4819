# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Weights and adapters in ``actor_rollout_ref.model`` with which verl would fail late, or which it would ignore."""

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError
from hpt.common.settings import plain
from hpt.models.checkpoints import local_checkpoint
from hpt.models.weights import check_weights

if TYPE_CHECKING:
    from peft import LoraConfig

MODEL = "actor_rollout_ref.model"
_ENDS = ("model.embed_tokens", "lm_head")  # names that the models of transformers share


def check_model_weights(config: DictConfig) -> None:
    """Refuse a folder whose weights are not the model's, as the export of adapters under a plain model's name is."""
    model = config.actor_rollout_ref.model
    given = f"{MODEL}.path={model.path}"
    if (folder := local_checkpoint(str(model.path), given)) is not None:
        check_weights(folder, given, bool(model.trust_remote_code))


def lora_config(config: DictConfig) -> "LoraConfig | None":
    """The adapters as PEFT describes them; None without LoRA.

    Raises:
        ConfigError: the folder of given adapters cannot be read.
    """
    model = config.actor_rollout_ref.model
    if not model.lora_rank:
        return None
    from peft import LoraConfig, PeftConfig

    if model.lora_adapter_path is None:
        keys = ("target_modules", "target_parameters", "exclude_modules")
        modules: dict[str, Any] = {key: plain(OmegaConf.select(config, f"{MODEL}.{key}")) for key in keys}
        return LoraConfig(r=model.lora_rank, lora_alpha=model.lora_alpha, **modules)
    try:
        return PeftConfig.from_pretrained(model.lora_adapter_path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"got {MODEL}.lora_adapter_path={model.lora_adapter_path}, which cannot be read ({error}); expected a "
            "folder with adapter_config.json, such as global_step_*/actor/lora_adapter"
        ) from error


def check_adapters(config: DictConfig) -> None:
    """Check the settings of LoRA.

    Raises:
        ConfigError: they would be ignored, differ from the adapters that are given, or do not get to vLLM.
    """
    model = config.actor_rollout_ref.model
    if model.lora_rank < 0:
        raise ConfigError(f"got {MODEL}.lora_rank={model.lora_rank}; expected 0 (no LoRA) or a rank")
    if model.lora.rank:
        raise ConfigError(
            f"got {MODEL}.lora.rank={model.lora.rank}, which FSDP does not read; expected 0: set {MODEL}.lora_rank"
        )
    adapters = lora_config(config)
    if adapters is None:
        if model.lora_adapter_path is not None:
            raise ConfigError(
                f"got {MODEL}.lora_adapter_path={model.lora_adapter_path} and {MODEL}.lora_rank=0; expected the rank "
                "of these adapters"
            )
        return
    if adapters.r != model.lora_rank:
        raise ConfigError(
            f"got {MODEL}.lora_rank={model.lora_rank}; expected {adapters.r}, the rank of the adapters in "
            f"{model.lora_adapter_path}"
        )
    from peft.tuners.tuners_utils import check_target_module_exists

    if ends := [name for name in _ENDS if check_target_module_exists(adapters, name)]:
        raise ConfigError(
            f"got {MODEL}.target_modules={model.target_modules}, {' and '.join(ends)} among them; verl neither shards "
            "nor merges adapters outside the decoder's layers: expected all-linear, or names of layers within them"
        )
    if config.trainer.device == "cpu" and not model.lora.merge:
        raise ConfigError(
            f"got {MODEL}.lora.merge=False and trainer.device=cpu; vLLM takes no adapters there: expected true, as in "
            "quickstart, which sends it the merged weights"
        )
