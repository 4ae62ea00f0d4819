#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# Evaluate the model that a launch script trained: examples/evaluate.sh run_NAME.sh [overrides of config/eval.yaml]
#
# It takes the last checkpoint, or MODEL_PATH if that is set (MODEL_PATH=... examples/evaluate.sh
# run_qwen2.5_math_7b_base.sh), with the model's template. After an interruption, the same command continues. Variables:
#
#   OUTPUT_DIR    the run's folder, as in its training          runs/NAME
#   CHECKPOINT    last, or best on validation, of those kept    last
#   EVAL_DIR      folder of the results                         runs/eval/NAME
#   BENCHMARKS    parquet file, or [a,b] with absolute paths    all files in data/benchmarks
#   EVAL_CONFIG   eval, or eval_cpu for a CPU                   eval
#   PYTHON        interpreter with hpt and vLLM                 python
#   DRY_RUN=1     validate settings, model, files and folder, start nothing
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
run="$(basename "${1:-}" .sh)"
run="${run#run_}"
: "${OUTPUT_DIR:=$(dirname "$here")/runs/$run}" "${EVAL_CONFIG:=eval}" "${CHECKPOINT:=last}"
# shellcheck source=launch.sh
source "$here/launch.sh"
if [[ -z "$run" || "$run" == *=* || (-z "${MODEL_PATH:-}" && ! -f "$here/run_$run.sh") ]]; then
    refuse "got '${1:-}' as the script; expected one of: $(cd "$here" && echo run_*.sh); or any name with MODEL_PATH"
fi
shift
[[ "$CHECKPOINT" == last || "$CHECKPOINT" == best ]] || refuse "got CHECKPOINT=$CHECKPOINT; expected last or best"
: "${EVAL_DIR:=$root/runs/eval/$run}"

trained="$OUTPUT_DIR"
case "$run" in
    *_sft_then_grpo*) trained+=/grpo ;;
    *_sft_then_rl*) trained+=/rl ;;
esac
if [[ -n "${MODEL_PATH:-}" ]]; then
    # A training's scripts take MODEL_PATH as the base model. If it is exported, it must not pass for the trained model.
    if [[ -s "$trained/latest_checkpointed_iteration.txt" ]]; then
        refuse "got MODEL_PATH=$MODEL_PATH and a checkpoint in $trained; expected one of them: unset MODEL_PATH, or \
name another run"
    fi
    model="$(model_path "$MODEL_PATH")"
else
    if [[ ! -s "$trained/latest_checkpointed_iteration.txt" ]]; then
        refuse "got $trained without a checkpoint; train with examples/run_$run.sh first, or set OUTPUT_DIR or \
MODEL_PATH"
    fi
    if [[ "$CHECKPOINT" == best ]]; then
        model="$("$PYTHON" -m hpt.cli eval best "$trained")"
    else
        model="$trained/global_step_$(< "$trained/latest_checkpointed_iteration.txt")/actor/huggingface"
    fi
    model="$(hydra_path "$model")"
fi

if [[ -z "${BENCHMARKS:-}" ]]; then
    files=("$root"/data/benchmarks/*.parquet)
    if [[ ! -e "${files[0]}" ]]; then
        refuse "got no parquet file in $root/data/benchmarks; make them with hpt data prepare benchmarks, or set \
BENCHMARKS"
    fi
    BENCHMARKS="$(hydra_list "${files[@]}")"
fi
template=()
if [[ "$run" == llama* ]]; then template=("prompt_template=\"$(template_of llama3.1_8b)\""); fi
echo "evaluating $model, results in $EVAL_DIR"
exec "$PYTHON" -m recipe.hpt.main_eval --config-name "$EVAL_CONFIG" model="$model" \
    benchmarks="$(hydra_path "$BENCHMARKS")" out="$(hydra_path "$EVAL_DIR")" "${template[@]}" "$@"
