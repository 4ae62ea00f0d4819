# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's tables and figures from the metrics and evaluations of runs."""
