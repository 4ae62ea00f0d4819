# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of answers: the built-in ones and a user's own. A row names its kind in extra_info.verifier_kind."""

from collections.abc import Callable

from hpt.verifier.verdict import REASONS, Verdict

KINDS = ("math", "choice")

Judge = Callable[[str, str], Verdict]
"""(response after the reasoning, gold answer) -> verdict."""

_OWN: dict[str, Judge] = {}


def register_kind(name: str) -> Callable[[Judge], Judge]:
    """Decorator that makes a function verify the rows whose ``verifier_kind`` is ``name``.

    The function gets the text after the response's last ``</think>``, and the gold answer as it is in the row. It runs
    in the verifier's worker processes, within their limits of time and memory. An exception gives the verdict
    ``crashed``.

    Raises:
        ValueError: the name is taken, or a worker process could not import the function.
    """

    def register(function: Judge) -> Judge:
        if name in available():
            raise ValueError(f"Kind of answer '{name}' is registered already; choose another name than {_listed()}.")
        if function.__module__ == "__main__" or "<" in function.__qualname__:
            raise ValueError(
                f"got the verifier '{name}' as {function.__module__}.{function.__qualname__}, which a worker process "
                "cannot import; expected a function at the top level of a module on PYTHONPATH"
            )
        _OWN[name] = function
        return function

    return register


def available() -> tuple[str, ...]:
    """All kinds that can be verified, the built-in ones first."""
    return (*KINDS, *_OWN)


def check_kind(kind: str) -> None:
    """Raise ValueError for an unknown kind of answer."""
    if kind not in available():
        raise ValueError(f"Unknown kind of answer {kind!r}. Available: {_listed()}")


def own_judge(kind: str) -> Judge | None:
    """The registered function of a kind; None for the built-in kinds."""
    return _OWN.get(kind)


def apply(function: Judge, response: str, gold: str) -> Verdict:
    """Call a user's function.

    Raises:
        TypeError: it returns something other than a verdict.
    """
    verdict = function(response, gold)
    if not isinstance(verdict, Verdict) or verdict.reason not in REASONS:
        raise TypeError(
            f"{function.__module__}.{function.__qualname__} returned {verdict!r}; expected an hpt.verifier.Verdict "
            f"with one of the reasons {', '.join(REASONS)}"
        )
    return verdict


def _listed() -> str:
    return ", ".join(available())
