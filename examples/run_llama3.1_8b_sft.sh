#!/usr/bin/env bash
# SFT on LLaMA-3.1-8B: Table 3, whose figures are another paper's.
#
# Paper and released code state no settings of their SFT: launch.sh says what is followed. The data are those of
# all other rows; no rollouts are generated.
# MODEL_PATH: the copy with a padding token. Prompts are the paper's template for this model.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Llama-3.1-8B}"

launch \
    "${sft[@]}" \
    "${llama[@]}" \
    "$@"
