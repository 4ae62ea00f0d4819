#!/usr/bin/env bash
# SFT -> GRPO on Qwen2.5-Math-1.5B: two runs, the second starts from the first's exported checkpoint.
#
#   MODEL_PATH=... TRAIN_FILE=... VAL_FILE=... examples/run_qwen2.5_math_1.5b_sft_then_grpo.sh [overrides]
#   DRY_RUN=1 ...   validates both runs, and stops there (no GPU needed)
#
# Overrides go to both runs; SFT_OVERRIDES and RL_OVERRIDES, words separated by spaces, to one. A finished SFT
# run is not repeated: launched again, the script goes on where it was. CONFIG=quickstart runs on a CPU.
#
# SFT: mean over the tokens of an optimizer step, learning rate with warmup and cosine schedule, epochs and
# not steps. The paper states no settings of its SFT stage: these are common ones, to be tuned.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
: "${MODEL_PATH:=$root/models/Qwen2.5-Math-1.5B-16k}"
: "${TRAIN_FILE:=$root/data/openr1_math_46k.parquet}"
: "${VAL_FILE:=$root/data/benchmarks/math500.parquet}"
: "${OUTPUT_DIR:=$root/runs/qwen2.5_math_1.5b_sft_then_grpo}"
: "${NODES:=1}" "${GPUS_PER_NODE:=8}" "${CONFIG:=hpt_trainer}"
read -r -a sft_overrides <<< "${SFT_OVERRIDES:-}"
read -r -a rl_overrides <<< "${RL_OVERRIDES:-}"

train() { # stage, model, overrides
    local stage="$1" model="$2"
    shift 2
    "${PYTHON:-python}" -m recipe.hpt.main_hpt --config-name "$CONFIG" \
        data.train_files="$TRAIN_FILE" \
        data.val_files="$VAL_FILE" \
        actor_rollout_ref.model.path="$model" \
        trainer.nnodes="$NODES" \
        trainer.n_gpus_per_node="$GPUS_PER_NODE" \
        trainer.default_local_dir="$OUTPUT_DIR/$stage" \
        trainer.experiment_name="qwen2.5_math_1.5b_sft_then_grpo_$stage" \
        "$@"
}

cd "$root"
tracker="$OUTPUT_DIR/sft/latest_checkpointed_iteration.txt"
if [[ ! -e "$OUTPUT_DIR/sft/finished" ]]; then
    train sft "$MODEL_PATH" \
        hpt.strategy=sft_only \
        actor_rollout_ref.actor.optim.lr=2e-5 \
        actor_rollout_ref.actor.optim.lr_warmup_steps_ratio=0.1 \
        actor_rollout_ref.actor.optim.lr_warmup_steps=-1 \
        actor_rollout_ref.actor.optim.lr_scheduler_type=cosine \
        trainer.total_epochs=3 \
        trainer.save_freq=100 \
        "$@" "${sft_overrides[@]}"
fi

if [[ "${DRY_RUN:-0}" == 1 ]]; then
    start="$MODEL_PATH" # there is no checkpoint yet
else
    touch "$OUTPUT_DIR/sft/finished"
    start="$OUTPUT_DIR/sft/global_step_$(cat "$tracker")/actor/huggingface"
fi
train grpo "$start" \
    hpt.strategy=rl_only \
    hpt.rollout_algorithm=grpo \
    hpt.clip_ratio=0.2 \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    trainer.total_training_steps=500 \
    trainer.save_freq=100 \
    "$@" "${rl_overrides[@]}"
