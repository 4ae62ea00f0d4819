# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How questions, rows and tokens divide into optimizer steps, ranks and micro-batches. Imports no verl."""

from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError

_ACTOR, _ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
FLASH_ATTENTION = ("flash_attention_2", "flash_attention_3")


def gpus(config: DictConfig) -> int:
    """All ranks of the training, on all nodes; on a CPU they are processes."""
    return config.trainer.n_gpus_per_node * config.trainer.nnodes


def sequence_ranks(config: DictConfig) -> int:
    """Ranks that share the tokens of a row (Ulysses sequence parallelism); 1: none do.

    verl reads ``fsdp_config.ulysses_sequence_parallel_size`` unless the actor's own, older setting is above 1.
    """
    actor = config.actor_rollout_ref.actor
    older = OmegaConf.select(actor, "ulysses_sequence_parallel_size") or 1
    return older if older > 1 else OmegaConf.select(actor, "fsdp_config.ulysses_sequence_parallel_size") or 1


def data_ranks(config: DictConfig) -> int:
    """Data-parallel ranks: those that hold different rows."""
    return gpus(config) // sequence_ranks(config)


def longest_row(config: DictConfig) -> int:
    """Tokens of the longest row: a prompt with a response or a demonstration."""
    target = OmegaConf.select(config, "data.max_target_length") or 0
    return config.data.max_prompt_length + max(config.data.max_response_length, target)


def longest_row_of_teacher(config: DictConfig) -> int:
    """Tokens of the longest row that a teacher scores: prompt, demonstration and response; without its own words."""
    response = config.data.max_response_length
    target = OmegaConf.select(config, "data.max_target_length") or response
    return config.data.max_prompt_length + target + response


def whole_positive(config: DictConfig, key: str) -> int:
    """The value of a setting that has to be a whole number >= 1.

    Raises:
        ConfigError: it is not.
    """
    value = OmegaConf.select(config, key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"got {key}={value!r}; expected a whole number >= 1")
    return value


def check_batch(config: DictConfig) -> None:
    """Check that questions, rollouts and rows divide into optimizer steps and ranks, and that every row fits.

    Raises:
        ConfigError: names the settings that do not fit together.
    """
    batch = whole_positive(config, "data.train_batch_size")
    step = whole_positive(config, f"{_ACTOR}.ppo_mini_batch_size")
    rollouts = whole_positive(config, f"{_ROLLOUT}.n")
    for key in ("trainer.n_gpus_per_node", "trainer.nnodes", "data.max_response_length"):
        whole_positive(config, key)
    if batch % step:
        raise ConfigError(
            f"got data.train_batch_size={batch} and actor_rollout_ref.actor.ppo_mini_batch_size={step}; expected "
            "whole optimizer steps per batch: choose a ppo_mini_batch_size that divides train_batch_size"
        )
    _check_parallel(config)
    if (step * rollouts) % data_ranks(config):
        raise ConfigError(
            f"got {step} questions x {rollouts} rollouts per optimizer step on {data_ranks(config)} data-parallel "
            f"ranks; expected a number of rows that the ranks divide: change {_ACTOR}.ppo_mini_batch_size, "
            f"{_ROLLOUT}.n or trainer.n_gpus_per_node"
        )
    generates = OmegaConf.select(config, "data.gen_batch_size") is not None
    if generates and batch % (generated := whole_positive(config, "data.gen_batch_size")):
        raise ConfigError(
            f"got data.gen_batch_size={generated} and data.train_batch_size={batch}; expected a divisor of it"
        )
    _check_micro_batches(config)


def _check_parallel(config: DictConfig) -> None:
    """Ranks that share rows, and engines that share ranks, divide the ranks."""
    ranks, sharing = gpus(config), sequence_ranks(config)
    if sharing > 1:
        key, model = f"{_ACTOR}.fsdp_config.ulysses_sequence_parallel_size", config.actor_rollout_ref.model
        if ranks % sharing:
            raise ConfigError(f"got {key}={sharing} on {ranks} ranks; expected a divisor of their number")
        if not model.use_remove_padding:
            raise ConfigError(
                f"got {key}={sharing} and actor_rollout_ref.model.use_remove_padding=False; ranks share packed rows "
                "only: set use_remove_padding=true"
            )
        attention = OmegaConf.select(model, "override_config.attn_implementation") or FLASH_ATTENTION[0]
        if attention not in FLASH_ATTENTION:
            raise ConfigError(
                f"got {key}={sharing} and actor_rollout_ref.model.override_config.attn_implementation={attention}; "
                "with it each rank would attend to its own part of a row only: expected "
                f"{' or '.join(FLASH_ATTENTION)}, or {key}=1"
            )
    rollout = config.actor_rollout_ref.rollout
    names = ("tensor_model_parallel_size", "data_parallel_size", "pipeline_model_parallel_size")
    sizes = {name: rollout.get(name) or 1 for name in names}
    engine = 1
    for size in sizes.values():
        engine *= size
    if ranks % engine:
        given = " x ".join(f"{name}={size}" for name, size in sizes.items() if size > 1)
        raise ConfigError(
            f"got {_ROLLOUT}.{given}, so an engine takes {engine} ranks, and {ranks} are there (trainer.nnodes x "
            "trainer.n_gpus_per_node); expected a divisor of them"
        )


def _check_micro_batches(config: DictConfig) -> None:
    """Every pass has a size for its micro-batches, which a row of the longest kind fits into."""
    sections = config.actor_rollout_ref
    passes = {_ACTOR: "ppo", _ROLLOUT: "log_prob"}
    if sections.actor.use_kl_loss and not sections.model.lora_rank:  # with adapters, the actor is the reference, too
        passes["actor_rollout_ref.ref"] = "log_prob"
    dynamic = sections.actor.use_dynamic_bsz
    for section, prefix in passes.items():
        key = f"{section}.log_prob_use_dynamic_bsz"
        if prefix != "ppo" and (own := OmegaConf.select(config, key)) != dynamic:
            raise ConfigError(
                f"got {key}={own} and {_ACTOR}.use_dynamic_bsz={dynamic}; expected the same: leave the first out"
            )
        if not dynamic:
            size = f"{section}.{prefix}_micro_batch_size_per_gpu"
            if OmegaConf.select(config, size) is None:
                raise ConfigError(
                    f"got {_ACTOR}.use_dynamic_bsz=False without {size}; expected the rows of a micro-batch, a whole "
                    "number >= 1"
                )
            whole_positive(config, size)
            continue
        key = f"{section}.{prefix}_max_token_len_per_gpu"
        limit, longest, sharing = whole_positive(config, key), longest_row(config), sequence_ranks(config)
        if limit * sharing < longest:
            shared = f" x {sharing} ranks that share a row" if sharing > 1 else ""
            raise ConfigError(
                f"got {key}={limit}{shared}; expected at least the longest row, {longest} tokens (prompt and response "
                "or demonstration)"
            )
