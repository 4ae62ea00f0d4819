# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's single-turn agent loop with a seed per sample, so that a rollout does not depend on what is sampled beside it.

A training takes it with ``rollout.agent.agent_loop_config_path`` (the file :func:`write_config` makes) and
``rollout.agent.default_agent_loop`` (``NAME``).
"""

import zlib
from pathlib import Path
from typing import Any

from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop

NAME = "seeded"


class SeededAgentLoop(SingleTurnAgentLoop):
    """The seed follows from the question's uid and the sample's number."""

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> Any:
        seed = zlib.crc32(f"{kwargs['uid']}_{kwargs['session_id']}".encode())
        return await super().run({**sampling_params, "seed": seed}, **kwargs)


def write_config(folder: Path) -> Path:
    """Write verl's file of agent loops, with this one."""
    file = folder / "agent_loops.yaml"
    file.write_text(f"- name: {NAME}\n  _target_: seeded_agent_loop.{SeededAgentLoop.__name__}\n")
    return file
