# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that touches verl and TransferQueue. Besides hpt.evaluation, only this package uses Ray."""
