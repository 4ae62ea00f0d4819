# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A comparison of methods on the built-in task: which runs, on which data, and their state on disk."""
