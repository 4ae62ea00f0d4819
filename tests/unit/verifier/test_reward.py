# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The reward function as verl loads and calls it."""

import asyncio
import threading

import pytest

from hpt.verifier import shared_pool, verify
from hpt.verifier.reward import MAX_LOGGED_CHARACTERS, compute_score


def score(response, truth, **kwargs):
    return asyncio.run(compute_score(data_source="test", solution_str=response, ground_truth=truth, **kwargs))


def test_right_and_wrong():
    assert score(r"\boxed{\frac{2}{4}}", r"\frac12") == {
        "score": 1.0,
        "acc": 1.0,
        "reason": "correct",
        "extracted": r"\frac{2}{4}",
    }
    assert score(r"\boxed{3}", "4") == {
        "score": 0.0,
        "acc": 0.0,
        "reason": "wrong",
        "extracted": "3",
    }
    assert score("3", "3") == {"score": 0.0, "acc": 0.0, "reason": "no_answer", "extracted": ""}


def test_a_long_answer_is_not_logged_in_full():
    logged = score(r"\boxed{" + "1" * 5000 + "}", "1")["extracted"]
    assert logged == "1" * MAX_LOGGED_CHARACTERS


def test_accepts_what_verl_passes_along():
    result = score(
        r"\boxed{3}",
        3,
        extra_info={"num_turns": 2, "rollout_reward_scores": {}},
        reward_router_address=None,
        reward_model_tokenizer=None,
    )
    assert result["score"] == 1.0


def test_the_row_names_its_kind():
    with pytest.raises(ValueError, match="Available: math"):
        score("x", "y", extra_info={"verifier_kind": "poetry"})


def test_concurrent_calls_in_the_loop_of_another_thread():
    """Run as in verl's reward worker, an actor whose event loop does not run in the main thread."""
    results = []

    async def many():
        calls = (compute_score("test", rf"\boxed{{\frac{{{i}}}{{3}}}}", f"{i}/3", None) for i in range(30))
        return await asyncio.gather(*calls)

    thread = threading.Thread(target=lambda: results.extend(asyncio.run(many())))
    thread.start()
    thread.join()
    assert [r["score"] for r in results] == [1.0] * 30


def test_one_pool_per_process_and_setting():
    assert shared_pool() is shared_pool()
    assert shared_pool(timeout_s=3.0) is not shared_pool()
    assert verify(r"\boxed{\frac12}", "0.5").score == 1.0


def test_verl_loads_it_from_the_documented_settings():
    pytest.importorskip("verl", reason="needs verl")
    import inspect

    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    config = OmegaConf.create(
        {
            "reward": {
                "custom_reward_function": {
                    "path": "pkg://hpt.verifier.reward",
                    "name": "compute_score",
                    "reward_kwargs": {"verifier_workers": 1, "verifier_timeout_s": 4.0},
                }
            }
        }
    )
    loaded = get_custom_reward_fn(config)
    assert inspect.iscoroutinefunction(loaded)  # verl then awaits it
    result = asyncio.run(loaded(data_source="", solution_str=r"\boxed{0.5}", ground_truth="1/2", extra_info={}))
    assert result["acc"] == 1.0
