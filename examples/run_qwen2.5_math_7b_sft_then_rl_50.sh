#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# SFT -> RL of arXiv 2604.23747 on Qwen2.5-Math-7B, 50 RL steps: no row of the paper.
# Settings and their sources: recipe/hpt/config/experiment/qwen2.5_math_7b/sft_then_rl_50/. Variables: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch_two_stages qwen2.5_math_7b/sft_then_rl_50 rl "$@"
