# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of speed and memory; run from the checkout, no part of the package."""
