# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The run's model without its weights: its folder, its sizes and its tokenizer."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from omegaconf import DictConfig, OmegaConf

from hpt.common.errors import ConfigError, first_line
from hpt.common.settings import plain
from hpt.common.tokenizers import load_tokenizer
from hpt.models.checkpoints import cached_checkpoint, local_checkpoint
from hpt.models.endings import Endings, read_endings

PREPARE = "hpt model prepare"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


@dataclass(frozen=True)
class ModelSizes:
    """Sizes of a model.

    Attributes:
        parameters: number of distinct ones (tied embeddings count once).
        layers, hidden: decoder layers, and the width of the residual stream.
        vocabulary: rows of the embedding.
        positions: longest sequence in tokens; None: the configuration does not say.
        head: width of an attention head.
        heads, key_value_heads: of a layer.
        adapters: number of LoRA's parameters; 0 without LoRA.
        sent: number of values that go to vLLM (tied embeddings count twice).
        largest: number of values of the largest tensor.
    """

    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    positions: int | None = None
    head: int | None = None
    heads: int | None = None
    key_value_heads: int | None = None
    adapters: int = 0
    sent: int = 0
    largest: int = 0


def locate(config: DictConfig) -> Path | None:
    """The folder of the run's model; None for a hub id that is not in the local cache."""
    name = str(config.actor_rollout_ref.model.path)
    return local_checkpoint(name, f"actor_rollout_ref.model.path={name}") or cached_checkpoint(name)


def read_sizes(folder: Path, trust_remote_code: bool = False, lora: Any = None) -> ModelSizes:
    """Build the model on the meta device, where tensors have shapes and no memory, and count.

    Args:
        lora: PEFT's configuration of the adapters, or None.

    Raises:
        ConfigError: transformers cannot build a causal language model from the configuration, or the model lacks the
            modules that the adapters are for.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    except (ValueError, OSError, KeyError, AttributeError, TypeError, ImportError) as error:
        raise ConfigError(
            f"got the model {folder}, whose config.json gives no causal language model ({first_line(error)}); expected "
            "a Hugging Face checkpoint of one"
        ) from error
    numbers = [tensor.numel() for tensor in model.state_dict().values()]
    return ModelSizes(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        sent=sum(numbers),
        largest=max(numbers),
        adapters=_count_adapters(model, lora) if lora is not None else 0,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
        positions=getattr(config, "max_position_embeddings", None),
        head=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        heads=config.num_attention_heads,
        key_value_heads=getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
    )


def media_of(folder: Path) -> str | None:
    """What says that the model takes more than text, so that verl gives it a processor; None: nothing does."""
    config = json.loads((folder / "config.json").read_text())
    sections = [f"{key} in config.json" for key in config if key in ("vision_config", "audio_config")]
    files = [file.name for name in _PROCESSORS for file in folder.glob(name)]
    return next(iter([*sections, *files]), None)


def _count_adapters(model: Any, lora: Any) -> int:
    """Put the adapters into a model on the meta device, and count what can be trained."""
    import torch
    from peft import get_peft_model

    try:
        with torch.device("meta"):
            return int(get_peft_model(model, lora).get_nb_trainable_parameters()[0])
    except ValueError as error:
        raise ConfigError(
            f"got actor_rollout_ref.model.target_modules={lora.target_modules}, which PEFT does not put on this model "
            f"({first_line(error)}); expected all-linear, or names of its linear layers such as [q_proj,v_proj]"
        ) from error


def load_run_tokenizer(config: DictConfig, model: Path) -> Any:
    """Load the run's tokenizer: the model's, unless ``model.tokenizer_path`` names another one.

    Raises:
        ConfigError: it cannot be loaded.
    """
    settings = config.actor_rollout_ref.model
    other = settings.tokenizer_path
    if other is None:
        location, given = str(model), f"actor_rollout_ref.model.path={settings.path}"
    else:
        location, given = os.path.expanduser(str(other)), f"actor_rollout_ref.model.tokenizer_path={other}"
    return load_tokenizer(location, given, trust_remote_code=bool(settings.trust_remote_code))


def render(config: DictConfig, tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """Render the prompt as the model will see it, with the run's template or else the tokenizer's."""
    settings = OmegaConf.select(config, "data.apply_chat_template_kwargs") or {}
    template = OmegaConf.select(config, "actor_rollout_ref.model.custom_chat_template")
    return tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        add_generation_prompt=True,
        tokenize=False,
        **{str(key): value for key, value in plain(settings).items()},
    )


def endings_of(config: DictConfig, tokenizer: Any, folder: Path) -> Endings | None:
    """What ends a response in a run; None for a tokenizer without EOS."""
    if tokenizer.eos_token_id is None:
        return None
    return read_endings(folder, tokenizer, OmegaConf.select(config, "actor_rollout_ref.model.custom_chat_template"))


def tokenizer_problems(
    config: DictConfig, tokenizer: Any, vocabulary: int | None, endings: Endings | None
) -> list[tuple[str, str]]:
    """List what the tokenizer lacks that the template, the demonstrations or the batches need, and what to do.

    Args:
        vocabulary: number of rows of the model's embedding; None: not known.
        endings: of :func:`endings_of`.
    """
    problems = []
    own = OmegaConf.select(config, "actor_rollout_ref.model.custom_chat_template")
    if own is None and not tokenizer.chat_template:
        advice = f"give it one ({PREPARE} --chat-template), or set data.prompt_template"
        problems.append(("it has no chat template", advice))
    elif (why := _rendering_problem(config, tokenizer)) is not None:
        problems.append(("the template cannot be rendered", why))
    if endings is None:
        found = "it has no EOS token, which ends every response and demonstration"
        problems.append((found, f"name the model's ({PREPARE} --eos-token)"))
    elif endings.refuted:
        problems.append((str(endings.disagreement), f"name the model's ({PREPARE} --eos-token '{endings.remedy}')"))
    if tokenizer.pad_token_id is None:
        problems.append(("it has no padding token", f"name one ({PREPARE} --pad-token)"))
    if vocabulary is not None and (last := max(tokenizer.get_vocab().values())) >= vocabulary:
        found = f"its last token is number {last + 1} and the model's embedding has {vocabulary} rows"
        problems.append((found, "take the tokenizer of this model"))
    return problems


def tokenizer_warnings(tokenizer: Any, endings: Endings) -> list[tuple[str, str]]:
    """List what a user should know of a tokenizer with which a training is possible, and what to do."""
    warnings = []
    if endings.disagreement is not None:
        warnings.append((endings.disagreement, f"{endings.advice}: {PREPARE} --eos-token '{endings.remedy}'"))
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        found = f"its padding token is its EOS {tokenizer.eos_token}"
        warnings.append((found, f"right here, where masks go by position; for other programs: {PREPARE} --pad-token"))
    return warnings


def _rendering_problem(config: DictConfig, tokenizer: Any) -> str | None:
    try:
        text = render(config, tokenizer, [{"role": "user", "content": "What is 1+1?"}])
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        return first_line(error)
    return None if "What is 1+1?" in text else "the question is not in it"
