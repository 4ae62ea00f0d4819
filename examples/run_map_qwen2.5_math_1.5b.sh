#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# The map on Qwen2.5-Math-1.5B: how a method bears demonstrations that are wrong or missing. No row of the paper.
#
#   examples/run_map_qwen2.5_math_1.5b.sh                                          # lists the trainings
#   METHOD=hpt WRONG=0.3 COVERAGE=0.25 SEED=1 examples/run_map_qwen2.5_math_1.5b.sh
#   sbatch --array=1-121%4 examples/slurm/one_node.sbatch run_map_qwen2.5_math_1.5b.sh     # numbers of the list
#
#   METHOD      one of those below
#   WRONG       share of the demonstrations whose answer is wrong             0
#   COVERAGE    share of the questions that have a demonstration              1
#   SEED        of the demonstrations, the order of questions, the rollouts   1
#   SEEDS       seeds of the list                                             1
#   OUTPUT_DIR  the map's folder, which has a folder per training             runs/map_qwen2.5_math_1.5b
#
# The other variables are those of launch.sh. `hpt data degrade` makes the file of a cell beside TRAIN_FILE if it is not
# there. ARITHMETIC is prompt here, so that all methods share it.
set -euo pipefail
# shellcheck source=launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

methods=(sft grpo sft_then_grpo hpt hpt_gamma_2_8 luffy srft chord relift self_distill prefix_rft)
# WRONG,COVERAGE in the order of their importance: the edges, then what lies between.
cells="0,1 0.3,1 0,0.05 0.5,1 0.1,1 0,0.25 0.3,0.05 0.3,0.25 0.5,0.05 0.5,0.25 0.1,0.05 0.1,0.25"

list() { # one line per training; GRPO reads no demonstration, so it is in one cell only
    local seed cell method
    for seed in ${SEEDS:-1}; do
        for cell in $cells; do
            for method in "${methods[@]}"; do
                [[ "$method" == grpo && "$cell" != 0,1 ]] ||
                    echo "METHOD=$method WRONG=${cell%,*} COVERAGE=${cell#*,} SEED=$seed"
            done
        done
    done
}

if [[ -z "${METHOD:-}" && -n "${SLURM_ARRAY_TASK_ID:-}" ]]; then
    line="$(list | sed -n "${SLURM_ARRAY_TASK_ID}s/[A-Z]*=//gp")"
    [[ -n "$line" ]] || refuse "got SLURM_ARRAY_TASK_ID=$SLURM_ARRAY_TASK_ID; expected 1 to $(list | wc -l)"
    read -r METHOD WRONG COVERAGE SEED <<< "$line"
elif [[ -z "${METHOD:-}" ]]; then
    list | cat -n
    exit
fi
: "${WRONG:=0}" "${COVERAGE:=1}" "${SEED:=1}"
[[ " ${methods[*]} " == *" $METHOD "* ]] || refuse "got METHOD=$METHOD; expected one of ${methods[*]}"
for share in "$WRONG" "$COVERAGE"; do
    [[ "$share" =~ ^(0|1|0?\.[0-9]+)$ && "$COVERAGE" != 0 ]] ||
        refuse "got WRONG=$WRONG, COVERAGE=$COVERAGE; expected shares such as 0.25"
done

training="$METHOD"
if [[ "$METHOD" != grpo ]]; then
    training+="_wrong${WRONG}_coverage$COVERAGE"
elif [[ "$WRONG,$COVERAGE" != 0,1 ]]; then
    refuse "got WRONG=$WRONG, COVERAGE=$COVERAGE; GRPO reads no demonstration: unset both"
fi
name+="_${training}_seed$SEED"
OUTPUT_DIR+="/${training}_seed$SEED"

[[ "$TRAIN_FILE" == /* ]] || TRAIN_FILE="$caller/$TRAIN_FILE"
: "${RL_TRAIN_FILE:=$TRAIN_FILE}" # GRPO after SFT has all questions, whatever their demonstrations
if [[ "$WRONG,$COVERAGE" != 0,1 ]]; then
    made="${TRAIN_FILE%.parquet}_wrong${WRONG}_coverage${COVERAGE}_seed$SEED.parquet"
    if [[ ! -e "$made" && ("${DRY_RUN:-0}" == 1 || "${CHECK:-0}" == 1) ]]; then
        echo "# $made is not there yet; the file that it is made from stands in for it" >&2
        made="$TRAIN_FILE" COVERAGE=1
    elif [[ ! -e "$made" ]]; then # several jobs may make it at the same time: their bytes are the same
        "$PYTHON" -m hpt.cli data degrade "$TRAIN_FILE" --out "$made" \
            --wrong-step "$WRONG" --coverage "$COVERAGE" --seed "$SEED" --overwrite
    fi
    TRAIN_FILE="$made"
fi
case "$METHOD" in # these refuse questions without a demonstration
    sft | sft_then_grpo | luffy | srft) [[ "$COVERAGE" == 1 ]] || TRAIN_FILE="${made%.parquet}_covered.parquet" ;;
esac

settings=("data.seed=$SEED" "actor_rollout_ref.rollout.seed=$SEED")
case "$METHOD" in
    sft_then_grpo) launch_sft_then_grpo qwen2.5_math_1.5b "${settings[@]}" "$@" ;;
    sft | grpo) launch "qwen2.5_math_1.5b/$METHOD" "${settings[@]}" "$@" ;;
    hpt* | luffy | srft)
        : "${ARITHMETIC:=prompt}"
        launch "qwen2.5_math_1.5b/$METHOD" "${settings[@]}" "$@"
        ;;
    *) # no row of the paper: GRPO's row, with the other method in its place
        case "$METHOD" in # what falls during a run falls over all of its steps
            chord) settings+=("++hpt.params.mu_decay_steps=500") ;;
            prefix_rft) settings+=("++hpt.params.decay_steps=500") ;;
        esac
        launch qwen2.5_math_1.5b/grpo "method=$METHOD" "${settings[@]}" "$@"
        ;;
esac
