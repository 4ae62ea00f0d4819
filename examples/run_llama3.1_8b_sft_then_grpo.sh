#!/usr/bin/env bash
# SFT -> GRPO on LLaMA-3.1-8B: no row of the paper's; Table 2 has one of Qwen2.5-Math-7B, whose settings it takes.
#
# The paper states nothing about the stages: SFT and GRPO are as in the rows of these names, and GRPO starts from SFT's
# last checkpoint. RL_TRAIN_FILE (data/openr1_complement.parquet) gives it questions that SFT has not seen.
# A finished SFT run is not repeated: launched again, the script goes on where it was.
# MODEL_PATH: the copy with a padding token. Prompts are the paper's template for this model.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Llama-3.1-8B}"

launch_sft_then_grpo \
    "${llama[@]}" \
    "$@"
