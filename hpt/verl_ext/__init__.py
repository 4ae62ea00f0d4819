# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that touches verl, Ray and TransferQueue; nothing below it knows them."""
