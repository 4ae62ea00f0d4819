# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
