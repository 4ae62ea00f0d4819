#!/usr/bin/env bash
# HPT on LLaMA-3.1-8B: Table 3.
#
# Questions with at most 2 of 8 correct rollouts train on their gold solution. The loss is the paper's text's
# (hpt.normalization=prompt); README.md beside this script has the overrides of the released code's arithmetic.
# MODEL_PATH: the copy with a padding token. Prompts are the paper's template for this model.
# Other variables, overrides, DRY_RUN=1: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
: "${MODEL_PATH:=$root/models/Llama-3.1-8B}"

launch \
    "${llama[@]}" \
    hpt.strategy=switch \
    hpt.gamma=0.25 \
    hpt.sft_coef=1.0 \
    "$@"
