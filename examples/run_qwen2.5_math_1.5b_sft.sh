#!/usr/bin/env bash
# SFT on Qwen2.5-Math-1.5B: Table 3.
#
# Paper and released code state no settings of their SFT: launch.sh says what is followed. The data are those of
# all other rows; no rollouts are generated.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"

launch \
    "${sft[@]}" \
    "$@"
