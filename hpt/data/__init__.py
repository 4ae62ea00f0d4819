# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Question files for training and evaluation: their checks, and how to make them from published sources."""
