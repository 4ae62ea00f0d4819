# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the paper and its released code publish, as data: settings and results."""
