# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: where they are, and how to prepare them for training."""
