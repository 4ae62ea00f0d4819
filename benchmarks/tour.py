# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A plug-in under which one training takes one step with each of many methods, on one stack.

``TOUR`` in the environment names a JSON file with a list of settings of ``hpt``; the trainer takes the next of them at
each step. Workers, rollout engine and queue stay. What a method remembers begins anew with it. The benchmark of the
methods and their integration test use it, as ``hpt.plugins=[tour]`` with this folder on PYTHONPATH.
"""

import json
import os
from functools import partial
from pathlib import Path

from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import composite_of


def method_of(step: int) -> dict:
    """The settings of a training step, from 1."""
    methods = json.loads(Path(os.environ["TOUR"]).read_text())
    return methods[step - 1]


def install() -> None:
    from verl.utils.config import omega_conf_to_dataclass

    from hpt.verl_ext.loss import actor_loss
    from hpt.verl_ext.trainer import HybridTrainerSync

    begin = HybridTrainerSync.on_step_begin

    def on_step_begin(self):
        begin(self)
        rollout = self.config.actor_rollout_ref.rollout
        full = self.__dict__.setdefault("full_group", rollout.n)
        self.settings = HPTConfig.from_mapping(method_of(self.global_steps))
        self.composite = composite_of(self.settings)
        rollout.n = full - self.settings.method.in_group  # a demonstration takes the place of a rollout
        for name in ("gate", "waiting"):
            self.__dict__.pop(name, None)
        self.agent_loop_manager.draws = self.settings.draws
        config = omega_conf_to_dataclass(self.config.actor_rollout_ref.actor)
        loss = partial(actor_loss, config=config, composite=self.composite, plugins=())
        self.actor_rollout_wg.set_loss_fn(loss)

    HybridTrainerSync.on_step_begin = on_step_begin  # type: ignore[method-assign]


if os.environ.get("TOUR"):
    import verl.trainer.ppo.v1.trainer_base  # noqa: F401  (a worker may import this module first)

    install()
