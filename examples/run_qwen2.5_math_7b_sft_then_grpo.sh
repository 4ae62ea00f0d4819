#!/usr/bin/env bash
# SFT -> GRPO on Qwen2.5-Math-7B: Table 2.
#
# The paper states nothing about the stages: SFT and GRPO are as in the rows of these names, and GRPO starts from SFT's
# last checkpoint. RL_TRAIN_FILE (data/openr1_complement.parquet) gives it questions that SFT has not seen.
# A finished SFT run is not repeated: launched again, the script goes on where it was.
# MODEL_PATH: the copy with rope_theta 40000 and 16384 positions, which 8192 tokens of response need.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-7B-16k}"

launch_sft_then_grpo \
    "$@"
