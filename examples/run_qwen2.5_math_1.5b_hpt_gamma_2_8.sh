#!/usr/bin/env bash
# HPT with gamma 2/8 on Qwen2.5-Math-1.5B: Table 6, Figure 8 (gamma 0 is run_qwen2.5_math_1.5b_hpt.sh).
#
# Questions with at most 2 of 8 correct rollouts train on their gold solution. All else is as with gamma 0; steps with a
# gradient norm above 80 are skipped, as in the released script.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"

launch \
    hpt.strategy=switch \
    hpt.gamma=0.25 \
    hpt.sft_coef=0.3 \
    hpt.skip_grad_norm=80 \
    "$@"
