#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# HPT on Qwen2.5-Math-1.5B: Table 3, and gamma 0 and SFT/ON of Tables 5 and 6.
# Settings and their sources: recipe/hpt/config/experiment/qwen2.5_math_1.5b/hpt.yaml. Variables: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch qwen2.5_math_1.5b/hpt "$@"
