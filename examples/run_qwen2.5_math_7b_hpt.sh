#!/usr/bin/env bash
# HPT on Qwen2.5-Math-7B: Tables 2 and 4.
#
# Steps with a gradient norm above 80 are skipped, as in the released script. The loss is the paper's text's
# (hpt.normalization=prompt); README.md beside this script has the overrides of the released code's arithmetic.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-7B-16k}"

launch \
    hpt.strategy=switch \
    hpt.gamma=0.0 \
    hpt.sft_coef=1.0 \
    hpt.skip_grad_norm=80 \
    "$@"
