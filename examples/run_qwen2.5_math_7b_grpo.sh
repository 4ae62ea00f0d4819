#!/usr/bin/env bash
# GRPO on Qwen2.5-Math-7B: Tables 2 and 4.
#
# No settings are published for this baseline: it follows those all rows share (learning rate 5e-6, no KL term), with
# advantages by the deviation and a clip of 0.2 (launch.sh).
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-7B-16k}"

launch \
    "${grpo[@]}" \
    "$@"
