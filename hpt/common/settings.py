# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Settings as data: typed fields, each with its meaning, unit and range. Bad values become one :class:`ConfigError`.

The types state the range (``Annotated[float, Field(gt=0, le=1)]``) and the docstring under a field states meaning and
unit. Messages, command-line hints and the settings reference are all made from these two.
"""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from hpt.common.errors import ConfigError


def plain(value: Any) -> Any:
    """Lists and mappings of a composed configuration as plain lists and dicts."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _as_tuple(value: Any) -> Any:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Positive = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""A text or a list of them; null is the empty list."""
Numbers = Annotated[tuple[int, ...], BeforeValidator(_as_tuple)]
"""A whole number or a list of them; null is the empty list."""


class FieldReference(NamedTuple):
    """A setting for the reference page: dotted name, accepted values, default (None: null or required), meaning."""

    name: str
    expected: str
    default: Any
    meaning: str


class Settings(BaseModel):
    """Base class of a section of settings. Instances are frozen; numbers are strict (no bools, no texts) and finite.

    A subclass documents each field by a docstring under it, and names its place in the configuration by ``section``.

    Raises:
        ConfigError: unknown settings (with the nearest known one), missing ones, or bad values.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    section: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            messages = dict.fromkeys(self._message(each, values) for each in error.errors())
            raise ConfigError("\n".join(messages)) from None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Build from a plain mapping or a composed configuration's section. Lists stand for tuples."""
        if not isinstance(mapping, Mapping):
            raise ConfigError(f"got {cls.section}={mapping!r}; expected {expected(cls)}")
        values = plain(mapping)
        for name, field in cls.model_fields.items():
            if isinstance(values.get(name), list) and _accepts_tuple(field.annotation):
                values[name] = tuple(values[name])
        return cls(**values)

    @classmethod
    def known(cls) -> list[str]:
        """The names of all settings of the section."""
        return list(cls.model_fields)

    @classmethod
    def reference(cls) -> list[FieldReference]:
        """All settings of the section, nested sections included, in the order of their declaration."""
        found = []
        for name, field in cls.model_fields.items():
            if inspect.isclass(field.annotation) and issubclass(field.annotation, Settings):
                found += field.annotation.reference()
                continue
            default = field.get_default(call_default_factory=True)
            default = None if default is PydanticUndefined else default
            meaning = inspect.cleandoc(field.description or "")
            found.append(FieldReference(dotted(cls.section, name), cls._expected(name), default, meaning))
        return found

    @classmethod
    def _expected(cls, name: str) -> str:
        field = cls.model_fields[name]
        return expected(field.annotation, field.metadata)

    @classmethod
    def _message(cls, error: ErrorDetails, values: Mapping[str, Any]) -> str:
        """One of pydantic's errors in our words: got, expected, and what the setting means."""
        reason = error.get("ctx", {}).get("error")
        if isinstance(reason, ConfigError) or not error["loc"]:
            return str(reason)
        key = str(error["loc"][0])
        name, value = dotted(cls.section, key), values.get(key)
        if error["type"] == "extra_forbidden":
            return unknown(cls.section, key, cls.model_fields)
        field = cls.model_fields[key]
        if value is None and field.is_required():
            return f"{name} must be given: {name}=..."
        if error["type"] == "literal_error":
            return not_one_of(name, value, get_args(field.annotation))
        wanted = str(reason) if error["type"] == "value_error" else cls._expected(key)
        meaning = " ".join((field.description or "").split())
        return f"got {name}={value!r}; expected {wanted}. {name}: {meaning}"


def expected(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a field accepts, in words: ``null or a whole number >= 1``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        constraints = [item for each in arguments[1:] for item in getattr(each, "metadata", [each])]
        return expected(arguments[0], constraints)
    if origin in (Union, UnionType):
        kinds = sorted(arguments, key=lambda kind: kind is not NoneType)
        *first, last = [expected(kind) for kind in kinds]
        return f"{', '.join(first)} or {last}"
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple and Ellipsis not in arguments:
        return f"a list [{', '.join(expected(kind) for kind in arguments)}]"
    if origin is tuple:
        least = max((getattr(each, "min_length", 0) for each in metadata), default=0)
        return f"a list (each item {expected(arguments[0])}" + (f"; at least {least})" if least else ")")
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping" + ("" if arguments[1] is Any else f" (each value {expected(arguments[1])})")
    nouns = {NoneType: "null", bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        return f"the settings {', '.join(annotation.known())}"
    return nouns.get(annotation, "a value") + _bounds(metadata)


def _bounds(metadata: Iterable[Any]) -> str:
    """`` in (0, 1]`` or `` >= 1``, from annotated_types' constraints."""
    limits = {
        name: getattr(each, name) for each in metadata for name in ("gt", "ge", "lt", "le") if hasattr(each, name)
    }
    low, high = limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if low is not None and high is not None:
        return f" in {'(' if 'gt' in limits else '['}{low}, {high}{')' if 'lt' in limits else ']'}"
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    return "".join(f" {signs[name]} {limit}" for name, limit in limits.items())


def _accepts_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_accepts_tuple(each) for each in get_args(annotation))


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def dotted(section: str, key: str) -> str:
    """The setting's full name, as on the command line."""
    return f"{section}.{key}" if section else key


def unknown(section: str, key: str, known: Iterable[str]) -> str:
    """The message on a setting that nobody reads, with the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean {dotted(section, near[0])}? " if near else ""
    return f"Unknown setting '{dotted(section, key)}'. {hint}Available: {', '.join(names)}."


def check_keys(section: str, got: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError for a key that nobody reads."""
    names = list(known)
    for key in got:
        if key not in names:
            raise ConfigError(unknown(section, key, names))


def not_one_of(name: str, value: Any, options: Iterable[str]) -> str:
    """The message on a value that is none of the options."""
    return f"Unknown {name} '{value}'. Available: {', '.join(sorted(options))}."


def one_of(name: str, value: Any, options: Iterable[str]) -> None:
    """Raise ConfigError unless ``value`` is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ConfigError(not_one_of(name, value, options))
