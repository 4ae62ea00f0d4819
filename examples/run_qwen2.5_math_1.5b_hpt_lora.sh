#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# HPT on Qwen2.5-Math-1.5B with LoRA, on one GPU of 24 GB: no row of the paper.
# Settings and their sources: recipe/hpt/config/experiment/qwen2.5_math_1.5b/hpt_lora.yaml. Variables: launch.sh.
set -euo pipefail
: "${GPUS_PER_NODE:=1}"
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch qwen2.5_math_1.5b/hpt_lora "$@"
