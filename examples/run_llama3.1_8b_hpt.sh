#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# HPT on LLaMA-3.1-8B: Table 3.
# Settings and their sources: recipe/hpt/config/experiment/llama3.1_8b/hpt.yaml. Variables: launch.sh.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

launch llama3.1_8b/hpt "$@"
