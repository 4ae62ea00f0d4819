#!/usr/bin/env bash
# GRPO on LLaMA-3.1-8B: Table 3, whose figures are another paper's.
#
# No settings are published for this baseline: it follows those all rows share (learning rate 5e-6, no KL term), with
# advantages by the deviation and a clip of 0.2 (launch.sh).
# MODEL_PATH: the copy with a padding token. Prompts are the paper's template for this model.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Llama-3.1-8B}"

launch \
    "${grpo[@]}" \
    "${llama[@]}" \
    "$@"
