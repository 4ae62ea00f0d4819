# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``actor_rollout_ref.model.external_lib`` on a CPU: verl imports it wherever it reads the model.

Only a training worker (it has a rank and a rendezvous) needs the process group and the engines.
"""

import os

from hpt.verl_ext.cpu import platform as cpu_platform

if cpu_platform.is_selected() and {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
    cpu_platform.prepare_worker()
