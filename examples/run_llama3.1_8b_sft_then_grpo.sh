#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# SFT -> GRPO on LLaMA-3.1-8B: no row of the paper; Table 2 has one on Qwen2.5-Math-7B, whose settings this one
# takes.
# Settings and their sources: recipe/hpt/config/experiment/llama3.1_8b/sft_then_grpo/. Variables: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch_sft_then_grpo llama3.1_8b "$@"
