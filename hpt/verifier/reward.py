# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The reward function for verl.

    reward.custom_reward_function.path=pkg://hpt.verifier.reward
    reward.custom_reward_function.name=compute_score

verl's reward workers (reward.num_workers Ray actors, reward manager ``naive``) await it in their event loop. Each keeps
one pool of verifier processes. Set ``verifier_workers``, ``verifier_timeout_s`` and ``verifier_memory_mb`` under
``reward.custom_reward_function.reward_kwargs``. A training sets ``verifier_plugins`` to the modules of ``hpt.plugins``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hpt.method.strategies import import_plugins
from hpt.verifier.pool import DEFAULT_MEMORY_MB, DEFAULT_TIMEOUT_S, DEFAULT_WORKERS, shared_pool
from hpt.verifier.verdict import Verdict

# The key of extra_info under which a row names its kind of answer; the default kind is math.
KIND_KEY = "verifier_kind"
# The full response is logged as well, so a degenerate answer of thousands of characters need not travel twice.
MAX_LOGGED_CHARACTERS = 200


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    verifier_workers: int = DEFAULT_WORKERS,
    verifier_timeout_s: float = DEFAULT_TIMEOUT_S,
    verifier_memory_mb: int = DEFAULT_MEMORY_MB,
    verifier_plugins: Sequence[str] = (),
    **_: Any,
) -> dict[str, float | str]:
    """Score one response: 1.0 if its answer equals ``ground_truth``, else 0.0.

    The keys are the same for every response, because verl stacks them. Only ``score`` and ``acc`` are numbers, because
    verl bootstraps validation statistics of every numeric key and skips texts.
    """
    import_plugins(verifier_plugins)  # verl's reward workers have not imported them; a second import does nothing
    pool = shared_pool(verifier_workers, verifier_timeout_s, verifier_memory_mb)
    return _result(await pool.verify_async(solution_str, str(ground_truth), _kind(extra_info)))


def score_many(
    responses: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Mapping[str, Any] | None],
    *,
    verifier_workers: int = DEFAULT_WORKERS,
    verifier_timeout_s: float = DEFAULT_TIMEOUT_S,
    verifier_memory_mb: int = DEFAULT_MEMORY_MB,
    verifier_plugins: Sequence[str] = (),
    **_: Any,
) -> list[dict[str, float | str]]:
    """Score a batch of responses as :func:`compute_score` scores each, with all comparisons at once."""
    import_plugins(verifier_plugins)
    pool = shared_pool(verifier_workers, verifier_timeout_s, verifier_memory_mb)
    items = [
        (response, str(gold), _kind(extra))
        for response, gold, extra in zip(responses, ground_truths, extra_infos, strict=True)
    ]
    return [_result(verdict) for verdict in pool.verify_many(items)]


def _kind(extra_info: Mapping[str, Any] | None) -> str:
    return (extra_info or {}).get(KIND_KEY) or "math"


def _result(verdict: Verdict) -> dict[str, float | str]:
    return {
        "score": verdict.score,
        "acc": verdict.score,
        "reason": verdict.reason,
        "extracted": _loggable(verdict.extracted or ""),
    }


def _loggable(text: str) -> str:
    """The text, shortened and without lone surrogates, which a UTF-8 log cannot hold."""
    return text[:MAX_LOGGED_CHARACTERS].encode(errors="replace").decode()
