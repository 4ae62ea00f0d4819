# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the weights in a checkpoint's folder are those of the model that its configuration describes."""

import contextlib
import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from hpt.common.errors import ConfigError, first_line

logger = logging.getLogger(__name__)

_NAMED = 3  # weights per kind of mistake; one name shows what is wrong, the others whether it is everywhere


def check_weights(folder: Path, given: str, trust_remote_code: bool = False) -> None:
    """Compare names and shapes in the files of weights with the model's. Their headers are read, no weights.

    transformers says what fits, as when it loads the model: names that it translates or ignores are right, and tied
    embeddings may be there once. A model that it cannot build is left alone, with a warning.

    Args:
        given: the setting and its value for messages.

    Raises:
        ConfigError: weights are missing, do not belong to the model or have another shape, or cannot be read.
    """
    from safetensors import SafetensorError

    try:
        model, found = _load_without_values(folder, trust_remote_code)
    except (ValueError, ImportError) as error:
        logger.warning("got %s, whose weights were not compared with its config.json: %s", given, first_line(error))
        return
    except (OSError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise ConfigError(
            f"got {given}, whose weights cannot be read ({first_line(error)}); expected a whole Hugging Face "
            "checkpoint: copy or save it again"
        ) from error
    missing, unexpected = set(found["missing_keys"]), set(found["unexpected_keys"])
    shapes = {f"{name} {list(there)} for {list(wanted)}" for name, there, wanted in found["mismatched_keys"]}
    parts = [("missing", missing), ("not of the model", unexpected), ("in another shape", shapes)]
    wrong = [f"{len(names)} {part} ({_few(names)})" for part, names in parts if names]
    if wrong:
        merge = ": merge the adapters first" if any("lora_" in name for name in unexpected) else ""
        raise ConfigError(
            f"got {given}, whose files of weights do not fit its config.json: {'; '.join(wrong)}; expected all weights "
            f"of {type(model).__name__}{merge}"
        )


def _load_without_values(folder: Path, trust_remote_code: bool) -> tuple[Any, dict[str, Any]]:
    """The model on the meta device, and what transformers found wrong while it loaded it."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    if getattr(config, "quantization_config", None):
        raise ImportError("they are quantized, and each kind of them needs a library of its own")
    text = config.get_text_config()
    tied = bool(getattr(text, "tie_word_embeddings", False))
    # Where both are in the files, transformers would compare them, and here they have no values.
    config.tie_word_embeddings = text.tie_word_embeddings = False
    kind = getattr(transformers, (config.architectures or [""])[0], None)
    if kind is None:
        with torch.device("meta"):
            kind = type(transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code))
    with _quiet(transformers.utils.logging):
        model, found = kind.from_pretrained(
            None,
            config=config,
            state_dict=_state(folder),
            device_map="meta",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    ends = [layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer]
    embeddings = {name for name, weight in model.named_parameters() if any(weight is end for end in ends)}
    if tied and not embeddings <= set(found["missing_keys"]):
        found["missing_keys"] = set(found["missing_keys"]) - embeddings
    return model, found


def _state(folder: Path) -> dict[str, Any]:
    """Name -> tensor without values, of the files that transformers would load."""
    import torch
    from safetensors import safe_open
    from transformers import utils

    kinds = (
        (utils.SAFE_WEIGHTS_NAME, utils.SAFE_WEIGHTS_INDEX_NAME),
        (utils.WEIGHTS_NAME, utils.WEIGHTS_INDEX_NAME),
    )
    for single, index in kinds:
        if (folder / single).exists():
            files = [single]
        elif (folder / index).exists():
            files = sorted(set(json.loads((folder / index).read_text())["weight_map"].values()))
        else:
            continue
        found: dict[str, Any] = {}
        for file in files:
            if single == utils.WEIGHTS_NAME:
                found |= torch.load(folder / file, map_location="meta", weights_only=True)
                continue
            with safe_open(folder / file, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118  (no mapping)
                    found[name] = torch.empty(weights.get_slice(name).get_shape(), device="meta")
        return found
    raise OSError(f"no {' or '.join(name for kind in kinds for name in kind)}")


def _few(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


@contextlib.contextmanager
def _quiet(settings: Any) -> Iterator[None]:
    """Without transformers' progress bar and its report of what does not fit, which is ours to make."""
    verbosity, bars = settings.get_verbosity(), settings.is_progress_bar_enabled()
    settings.set_verbosity_error()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)
        if bars:
            settings.enable_progress_bar()
