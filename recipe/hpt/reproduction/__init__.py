# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's experiments: the built-in task, the study, the report, the published values, the diagnosis."""
