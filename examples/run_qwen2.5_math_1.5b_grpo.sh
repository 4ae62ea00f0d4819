#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# GRPO on Qwen2.5-Math-1.5B: Table 3.
# Settings and their sources: recipe/hpt/config/experiment/qwen2.5_math_1.5b/grpo.yaml. Variables: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch qwen2.5_math_1.5b/grpo "$@"
