# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that touches verl, Ray, vLLM and TransferQueue; the rest of `hpt` knows none of them."""
