#!/usr/bin/env bash
# HPT on Qwen2.5-Math-1.5B: Table 3, and gamma 0 and SFT/ON of Tables 5 and 6.
#
# Steps with a gradient norm above 80 are skipped, as in the released script. The loss is the paper's text's
# (hpt.normalization=prompt); README.md beside this script has the overrides of the released code's arithmetic.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"

launch \
    hpt.strategy=switch \
    hpt.gamma=0.0 \
    hpt.sft_coef=0.3 \
    hpt.skip_grad_norm=80 \
    "$@"
