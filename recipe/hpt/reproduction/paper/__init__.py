# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The results that the paper publishes, as data. Its settings are in config/experiment."""
