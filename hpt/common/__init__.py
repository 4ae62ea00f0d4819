# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What every other package may use; it imports nothing else of HPT."""
