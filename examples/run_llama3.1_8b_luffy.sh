#!/usr/bin/env bash
# LUFFY on LLaMA-3.1-8B: Table 3, whose figures are another paper's.
#
# Learning rate of the released script (for Qwen2.5-Math-7B). Per question 7 rollouts and the gold solution.
# MODEL_PATH: the copy with a padding token. Prompts are the paper's template for this model.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Llama-3.1-8B}"

launch \
    "${llama[@]}" \
    hpt.strategy=luffy \
    hpt.off_coef=1.0 \
    hpt.shaping=0.1 \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    "$@"
