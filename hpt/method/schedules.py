# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What ``hpt.schedule`` names: a table of the released code, rows of one's own, or a function or gate of one's own."""

import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hpt.method import gate


def schedule_of(value: Any, params: Mapping[str, Any] = MappingProxyType({})) -> gate.Feedback | gate.Gate:
    """Return the feedback function or the gate that ``hpt.schedule`` describes.

    Args:
        value: a name of ``hpt.method.gate.SCHEDULES``, rows [P, on, off, sft], or "package.module:name"
            of a function P -> (on, off, sft) or of a subclass of :class:`hpt.method.gate.Gate`.
        params: arguments of that class.

    Raises:
        ValueError: none of these; the message lists the names.
    """
    if isinstance(value, str) and ":" in value:
        return _own(value, params)
    if params:
        raise ValueError(f"got hpt.params with {', '.join(params)}, which only a gate of your own takes")
    if isinstance(value, str) and value in gate.SCHEDULES:
        return gate.schedule(gate.SCHEDULES[value])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return gate.schedule(value)
    raise ValueError(
        f"Unknown schedule '{value}'. Available: {', '.join(sorted(gate.SCHEDULES))}, rows "
        "[[P, on, off, sft], ...] from P = 0 to 1, or package.module:name of a function or a Gate"
    )


def _own(path: str, params: Mapping[str, Any]) -> gate.Feedback | gate.Gate:
    module, _, name = path.partition(":")
    try:
        if path.startswith("."):
            raise ImportError("no absolute name of a module")
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"got the schedule '{path}', which cannot be imported ({error}); expected "
            "package.module:name, with the module on PYTHONPATH"
        ) from error
    if isinstance(found, type) and issubclass(found, gate.Gate):
        try:
            return _Checked(path, found(**params))
        except TypeError as error:
            raise ValueError(f"got hpt.params={dict(params)} for the gate '{path}': {error}") from error
    if not callable(found):
        raise ValueError(f"got the schedule '{path}', {found!r}; expected a function of P, or a Gate")
    if params:
        raise ValueError(f"got hpt.params with {', '.join(params)}, and '{path}' is a function; expected a Gate")
    return lambda mean: _coefficients(path, found(mean), mean)


def _coefficients(path: str, returned: Any, mean: float) -> gate.Coefficients:
    """What a function or a gate of the user's returned, as coefficients."""
    try:
        values = [float(value) for value in returned]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"got {returned!r} from the schedule '{path}' at P = {mean}; expected three finite numbers >= 0 "
            "(on, off, sft)"
        ) from error
    return gate.check_coefficients(values, mean)


class _Checked(gate.Gate):
    """A gate of the user's, whose answers are checked."""

    def __init__(self, path: str, own: gate.Gate):
        self.path, self.own, self.terms = path, own, own.terms

    def observe(self, metrics: Mapping[str, float]) -> None:
        self.own.observe(metrics)

    def state_dict(self) -> dict[str, Any]:
        return self.own.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.own.load_state_dict(state)

    def __call__(self, context: gate.Context) -> gate.Coefficients:
        coefficients = _coefficients(self.path, self.own(context), context.mean)
        for term, value in coefficients._asdict().items():
            if value and term not in self.terms:
                raise ValueError(
                    f"got {term}={value} from the gate '{self.path}' at P = {context.mean}, whose terms are "
                    f"{list(self.terms)}; expected it to name every term that it uses"
                )
        return coefficients
