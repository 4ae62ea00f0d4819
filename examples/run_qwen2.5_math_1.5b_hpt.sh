#!/usr/bin/env bash
# HPT on Qwen2.5-Math-1.5B, settings of arXiv 2509.04419 (Table 3); one node with 8 GPUs of 80 GB.
#
#   MODEL_PATH=... TRAIN_FILE=... VAL_FILE=... examples/run_qwen2.5_math_1.5b_hpt.sh [overrides]
#   DRY_RUN=1 ...   validates the configuration, the data and the paths, and stops there (no GPU needed)
#
# MODEL_PATH: the checkpoint with rope_theta 40000 and max_position_embeddings 16384, which 8192 tokens of
# response need. TRAIN_FILE, VAL_FILE: parquet in verl's format, the training file with gold solutions in `target`.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"
: "${TRAIN_FILE:=$root/data/openr1_math_46k.parquet}"
: "${VAL_FILE:=$root/data/benchmarks/math500.parquet}"
: "${OUTPUT_DIR:=$root/runs/qwen2.5_math_1.5b_hpt}"
: "${NODES:=1}" "${GPUS_PER_NODE:=8}"

cd "$root"
exec "${PYTHON:-python}" -m recipe.hpt.main_hpt --config-name hpt_trainer \
    hpt.gamma=0.0 \
    hpt.sft_coef=0.3 \
    data.train_files="$TRAIN_FILE" \
    data.val_files="$VAL_FILE" \
    data.train_batch_size=128 \
    data.max_prompt_length=1024 \
    data.max_response_length=8192 \
    actor_rollout_ref.model.path="$MODEL_PATH" \
    actor_rollout_ref.actor.ppo_mini_batch_size=64 \
    actor_rollout_ref.actor.optim.lr=5e-6 \
    actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.temperature=1.0 \
    trainer.total_training_steps=500 \
    trainer.nnodes="$NODES" \
    trainer.n_gpus_per_node="$GPUS_PER_NODE" \
    trainer.default_local_dir="$OUTPUT_DIR" \
    trainer.experiment_name=qwen2.5_math_1.5b_hpt \
    "$@"
