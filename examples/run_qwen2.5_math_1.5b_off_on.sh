#!/usr/bin/env bash
# OFF/ON on Qwen2.5-Math-1.5B: Table 5 (SFT/ON is run_qwen2.5_math_1.5b_hpt.sh).
#
# HPT with off-policy RL on the gold solution in place of SFT: LUFFY's term, with the released code's coefficient.
# Learning rate, gate and skipped steps are HPT's.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"

launch \
    hpt.strategy=off_on \
    hpt.gamma=0.0 \
    hpt.off_coef=1.0 \
    hpt.shaping=0.1 \
    hpt.skip_grad_norm=80 \
    "$@"
