# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary embeddings in a config.json, in the old style and the new one.

Transformers 4 and older vLLM read ``rope_theta`` at the top level; transformers 5 reads ``rope_parameters``. Where both
exist they have to agree, so the top level is always written, and the others where they exist. Scaled embeddings
(llama3, yarn, linear, ...) are refused: their frequencies follow from the positions that the model was trained on, so a
change of one number would silently change the others.
"""

from typing import Any

Config = dict[str, Any]


def set_rope_theta(config: Config, theta: float) -> None:
    """Change the base of the frequencies wherever the config states it.

    Raises:
        ValueError: the number is not positive, the embeddings are scaled or per layer, or there is no base to change.
    """
    if isinstance(theta, bool) or not theta > 0:
        raise ValueError(f"got rope_theta={theta!r}; expected a number > 0")
    value = int(theta) if float(theta).is_integer() else theta
    _check_unscaled(config, "rope_theta")
    parameters = config.get("rope_parameters")
    if "rope_theta" not in config and not parameters:
        raise ValueError(
            "config.json has neither rope_theta nor rope_parameters; expected a model with rotary embeddings"
        )
    sections = (parameters, config.get("rope_scaling"))
    places = [config, *(section for section in sections if section)]
    for place in places:
        if place.get("rope_theta") != value:
            place["rope_theta"] = value


def set_max_positions(config: Config, positions: int) -> None:
    """Change the length of the longest sequence.

    Raises:
        ValueError: the number is no positive whole number, the config has no such setting, or the embeddings are
            scaled.
    """
    if not isinstance(positions, int) or isinstance(positions, bool) or positions < 1:
        raise ValueError(f"got max_position_embeddings={positions!r}; expected a whole number >= 1")
    if "max_position_embeddings" not in config:
        raise ValueError("config.json has no max_position_embeddings; expected one to change")
    if config["max_position_embeddings"] != positions:
        _check_unscaled(config, "max_position_embeddings")
        config["max_position_embeddings"] = positions


def _check_unscaled(config: Config, setting: str) -> None:
    for name in ("rope_scaling", "rope_parameters"):
        section = config.get(name)
        if not section:
            continue
        if any(isinstance(value, dict) for value in section.values()):
            raise ValueError(
                f"config.json states {name} per kind of layer; expected one for all layers: leave {setting} as it is"
            )
        kind = section.get("rope_type", section.get("type", "default"))
        if kind != "default":
            raise ValueError(
                f"config.json has scaled rotary embeddings ({name}: {kind}), whose frequencies would change with "
                f"{setting}; expected unscaled ones: leave {setting} as it is"
            )


def check_window(config: Any) -> None:
    """Raise ValueError if a layer attends to a window that is shorter than the longest sequence.

    Args:
        config: as ``AutoConfig`` loads it.
    """
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = window is not None if kinds is None else "sliding_attention" in kinds
    if slides and (window is None or window < config.max_position_embeddings):
        raise ValueError(
            f"config.json has layers with a sliding window of {window} tokens, but sequences may have "
            f"{config.max_position_embeddings}; expected full attention: set use_sliding_window to false (and "
            "layer_types to full_attention) in the checkpoint, or a shorter --max-position-embeddings"
        )


def rope_theta_of(config: Any) -> float | None:
    """The base that transformers uses; None for a model without one. ``config`` is as ``AutoConfig`` loads it."""
    parameters = getattr(config, "rope_parameters", None) or {}
    return parameters.get("rope_theta", getattr(config, "rope_theta", None))
