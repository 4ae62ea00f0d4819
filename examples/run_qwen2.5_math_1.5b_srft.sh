#!/usr/bin/env bash
# SRFT on Qwen2.5-Math-1.5B: no row of the paper's; Table 2 has one of Qwen2.5-Math-7B, whose settings it takes.
#
# Learning rate of the released script (for Qwen2.5-Math-7B). Per question 7 rollouts and the gold solution.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"

launch \
    hpt.strategy=srft \
    hpt.off_coef=1.0 \
    hpt.sft_coef=1.0 \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    "$@"
