# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The base of all settings, on a section made for the purpose."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import AfterValidator, Field, model_validator

from hpt.common.errors import ConfigError
from hpt.common.settings import Names, Positive, Settings, check_keys, one_of


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("an even number")
    return value


class Inner(Settings):
    section: ClassVar[str] = "outer.inner"

    seconds: Annotated[float, Field(gt=0)] = 1.0
    """Seconds between two looks."""


class Outer(Settings):
    section: ClassVar[str] = "outer"

    name: str
    """Name of it."""
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of it."""
    count: Positive | None = None
    """Number of them."""
    pair: float | tuple[float, float] | None = None
    """Number, or low and high."""
    colour: Literal["red", "blue"] = "red"
    """Colour."""
    even: Annotated[int, AfterValidator(_even)] = 2
    """Even number."""
    each: Mapping[str, Positive] | None = None
    """Number for each name."""
    plugins: Names = ()
    """Modules."""
    inner: Inner = Inner()
    """More settings."""

    @model_validator(mode="after")
    def _together(self) -> "Outer":
        if self.colour == "blue" and self.count:
            raise ConfigError("got outer.colour=blue with outer.count; expected one of the two")
        return self


def outer(**changes) -> Outer:
    return Outer.from_mapping({"name": "n", **changes})


def test_values():
    made = outer(share=0, pair=[0, 1], plugins=["a", "b"], inner={"seconds": 2}, each={"a": 1})
    assert (made.share, made.pair, made.plugins, made.inner.seconds) == (0.0, (0.0, 1.0), ("a", "b"), 2.0)
    assert outer(plugins="a").plugins == ("a",) and outer(plugins=None).plugins == ()
    assert made == Outer(**dict(made)) and made != outer()
    with pytest.raises(ValueError, match="frozen"):
        made.share = 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sahre": 1}, "Unknown setting 'outer.sahre'. Did you mean outer.share? Available: colour, count"),
        ({"inner": {"second": 1}}, "Unknown setting 'outer.inner.second'. Did you mean outer.inner.seconds?"),
        ({"inner": {"seconds": 0}}, "got outer.inner.seconds=0; expected a number > 0. outer.inner.seconds: Seconds"),
        ({"inner": 3}, "got outer.inner=3; expected the settings seconds"),
        ({"name": None}, "outer.name must be given: outer.name=..."),
        ({"name": 1}, "got outer.name=1; expected a text"),
        ({"share": 1}, "got outer.share=1; expected a number in [0, 1). outer.share: Share of it."),
        ({"share": True}, "got outer.share=True"),
        ({"share": "0.5"}, "got outer.share='0.5'"),
        ({"share": float("inf")}, "got outer.share=inf"),
        ({"count": 0}, "got outer.count=0; expected null or a whole number >= 1"),
        ({"count": 1.0}, "got outer.count=1.0"),
        ({"pair": [1, 2, 3]}, "got outer.pair=(1, 2, 3); expected null, a number or a list [a number, a number]"),
        ({"colour": "green"}, "Unknown outer.colour 'green'. Available: blue, red."),
        ({"even": 3}, "got outer.even=3; expected an even number"),
        ({"each": {"a": 0}}, "got outer.each={'a': 0}; expected null or a mapping (each value a whole number >= 1)"),
        ({"plugins": [1]}, "got outer.plugins=(1,); expected a list (each item a text)"),
        ({"colour": "blue", "count": 1}, "got outer.colour=blue with outer.count; expected one of the two"),
    ],
)  # fmt: skip
def test_refused(changes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        outer(**changes)


def test_every_mistake_is_named():
    with pytest.raises(ConfigError) as error:
        outer(share=2, count=0)
    assert [line.split(";")[0] for line in str(error.value).splitlines()] == ["got outer.share=2", "got outer.count=0"]


def test_a_section_that_is_no_mapping():
    with pytest.raises(ConfigError, match="got outer=3"):
        Outer.from_mapping(3)


def test_reference():
    rows = {row.name: row for row in Outer.reference()}
    assert list(rows)[-2:] == ["outer.plugins", "outer.inner.seconds"]
    assert rows["outer.share"] == ("outer.share", "a number in [0, 1)", 0.5, "Share of it.")


def test_check_keys_and_one_of():
    check_keys("data", {"a": 1}, ["a"])
    with pytest.raises(ConfigError, match=re.escape("Unknown setting 'data.b'. Available: a.")):
        check_keys("data", {"b": 1}, ["a"])
    one_of("colour", "red", ("red", "blue"))
    with pytest.raises(ConfigError, match="Unknown colour"):
        one_of("colour", "x", ("red", "blue"))
