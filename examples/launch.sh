# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The run_*.sh scripts beside this file source it. Each of them names its row of the paper's tables, an experiment file
# in recipe/hpt/config/experiment, which has the settings and their sources. Paths and sizes come from the environment:
#
#   MODEL_PATH      the checkpoint's folder, or a hub id             models/... (hpt model prepare)
#   TRAIN_FILE      parquet with demonstrations in `target`          data/openr1_math_46k.parquet
#   RL_TRAIN_FILE   the training file of the second of two stages    TRAIN_FILE if that is given, else the experiment's
#   VAL_FILE        parquet file, or [a,b] with absolute paths       data/benchmarks/{aime24,amc23,math500}.parquet
#   OUTPUT_DIR      the run's folder; launched again, it resumes     runs/NAME, NAME from run_NAME.sh
#   NODES           number of machines                               1
#   GPUS_PER_NODE   number of GPUs of each machine; 8 of 80 GB, 1 of 24 GB for run_*_lora.sh
#   ARITHMETIC      released (the code behind the published numbers) or prompt (the paper's text, whatever the packing);
#                   for the scripts of HPT, LUFFY and SRFT           released
#   PYTHON          interpreter with hpt and verl                    python
#   CONFIG          hpt_trainer, or quickstart for a CPU             hpt_trainer
#   DRY_RUN=1       make the checks of a run, print the settings that differ from verl, start nothing
#   CHECK=1         show all that can be known before a GPU hour as a table, start nothing
#   GPU_MEMORY_GIB  memory of a GPU in GiB, for CHECK=1 on a machine without the run's GPUs
#
# The defaults are in the checkout. Relative paths are relative to where the script is called. Arguments are Hydra
# overrides and win over everything here. In two-stage scripts SFT_OVERRIDES and RL_OVERRIDES go to one stage; both are
# words separated by spaces. Exit status: 0 done, 2 bad settings, data or paths, 130 interrupted, else failed.
set -euo pipefail

refuse() { # message
    echo "error: $1" >&2
    exit 2
}

for variable in DRY_RUN CHECK; do
    case "${!variable:-0}" in
        0 | 1) ;;
        *) refuse "got $variable=${!variable}; expected 1 or 0" ;;
    esac
done

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    refuse "got examples/launch.sh as a program; expected one of the scripts that source it: examples/run_*.sh"
fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
name="$(basename "${BASH_SOURCE[1]}" .sh)"
name="${name#run_}"
: "${NODES:=1}" "${GPUS_PER_NODE:=8}" "${PYTHON:=python}" "${CONFIG:=hpt_trainer}"
: "${OUTPUT_DIR:=$root/runs/$name}"
caller="$PWD"
[[ "$OUTPUT_DIR" == /* ]] || OUTPUT_DIR="$caller/$OUTPUT_DIR"
[[ "$PYTHON" != */* || "$PYTHON" == /* ]] || PYTHON="$caller/$PYTHON"
cd "$root" # `recipe` is run from the checkout

path_in() { # file in recipe/hpt/config, key -> its path there, absolute because workers may run on other nodes
    sed -n "s|^ *$2: *\([^ ]*\).*|$root/\1|p" "recipe/hpt/config/$1.yaml"
}

template_of() { # MODEL -> the prompt template that its file has, empty without one; evaluate.sh uses it, too
    sed -n '/^  prompt_template: |-$/,$ s/^    //p' "recipe/hpt/config/base_model/$1.yaml"
}

: "${RL_TRAIN_FILE:=${TRAIN_FILE:-}}" "${TRAIN_FILE:=$(path_in paper/shared train_files)}"

hydra_path() { # path with any characters -> absolute and quoted for Hydra; [a,b] stays a list
    local path="$1"
    if [[ "$path" == \[*\] ]]; then
        printf '%s' "$path"
        return
    fi
    case "$path" in
        /* | "~"*) ;;
        *) path="$caller/$path" ;;
    esac
    printf '"%s"' "${path//\"/\\\"}"
}

hydra_list() { # paths with any characters -> [a,b] for Hydra
    local path quoted=()
    for path in "$@"; do quoted+=("$(hydra_path "$path")"); done
    (IFS=, && printf '[%s]' "${quoted[*]}")
}

if [[ -z "${VAL_FILE:-}" ]]; then
    listed="$(sed -n 's/^ *val_files: *\[\(.*\)\]$/\1/p' recipe/hpt/config/paper/shared.yaml)"
    read -r -a val_files <<< "${listed//,/ }"
    VAL_FILE="$(hydra_list "${val_files[@]/#/$root/}")"
fi

model_path() { # a relative path that is no folder is a hub id, unless it begins as paths do: then it is missing
    if [[ -d "$caller/$1" || "$1" == models/* || "$1" == ./* || "$1" == ../* ]]; then
        hydra_path "$1"
    else
        printf '"%s"' "${1//\"/\\\"}"
    fi
}

command_of() { # experiment, folder, run's name, model, training file, overrides -> the array `command`
    local experiment="$1" folder="$2" title="$3" model="$4" file="$5"
    shift 5
    if ! command -v "$PYTHON" > /dev/null; then
        refuse "got PYTHON=$PYTHON, which is no program; expected a Python with hpt and verl"
    fi
    command=(
        "$PYTHON" -m recipe.hpt.main_hpt --config-name "$CONFIG" "+experiment=$experiment"
        data.train_files="$(hydra_path "$file")"
        data.val_files="$(hydra_path "$VAL_FILE")"
        actor_rollout_ref.model.path="$(model_path "$model")"
        trainer.nnodes="$NODES"
        trainer.n_gpus_per_node="$GPUS_PER_NODE"
        trainer.default_local_dir="$(hydra_path "$folder")"
        trainer.experiment_name="$title"
    )
    if [[ "${DRY_RUN:-0}" == 1 && "${CHECK:-0}" != 1 ]]; then # a dry run writes nothing; a check sees to that itself
        command+=(hydra.run.dir=. hydra.output_subdir=null hydra/job_logging=none)
    else # the composed configuration and the overrides of each launch
        command+=("hydra.run.dir=$(hydra_path "$folder/hydra/\${now:%Y-%m-%d_%H-%M-%S}")")
    fi
    if [[ -n "${ARITHMETIC:-}" ]]; then
        case "$experiment" in
            */hpt_lora | */sft* | */grpo) refuse "got ARITHMETIC=$ARITHMETIC; only HPT, LUFFY and SRFT have two: unset it" ;;
        esac
        command+=("arithmetic=$ARITHMETIC")
    fi
    command+=("$@")
}

launch() { # MODEL/METHOD, overrides: one training in OUTPUT_DIR, in place of this shell
    local experiment="$1"
    shift
    : "${MODEL_PATH:=$(path_in "base_model/${experiment%%/*}" path)}"
    command_of "$experiment" "$OUTPUT_DIR" "$name" "$MODEL_PATH" "$TRAIN_FILE" "$@"
    exec "${command[@]}"
}

attend() { # runs a command, hands it the signals that end this script, and returns its exit status
    local child status
    "$@" &
    child=$!
    trap 'kill -TERM "$child" 2> /dev/null || true' TERM INT HUP
    while true; do
        status=0
        wait "$child" || status=$?
        kill -0 "$child" 2> /dev/null || break # else a signal ended the wait only
    done
    trap - TERM INT HUP
    return "$status"
}

only_looks() { # arguments: whether they start no training (--check, --cfg job, ...); options may be shortened
    local argument
    [[ "${DRY_RUN:-0}" != 1 && "${CHECK:-0}" != 1 ]] || return 0
    for argument in "$@"; do
        case "$argument" in
            --check | -c | -c[jha]* | -rc* | --cf* | -h | --he* | --hy* | -i* | --i* | -s* | --s* | --v*) return 0 ;;
        esac
    done
    return 1
}

exported() { # folder of a finished training -> its last checkpoint for other programs
    local tracker="$1/latest_checkpointed_iteration.txt" step checkpoint
    local advice="restore it, or train the stage again in another OUTPUT_DIR"
    [[ -e "$tracker" ]] || refuse "got a finished stage in $1 without $tracker; expected its last checkpoint: $advice"
    step="$(< "$tracker")"
    checkpoint="$1/global_step_$step/actor/huggingface"
    [[ -e "$checkpoint/config.json" ]] || refuse "got a finished stage without $checkpoint: $advice"
    printf '%s' "$checkpoint"
}

stages_own() { # overrides: refuses what each stage sets for itself
    local argument key
    for argument in "$@"; do
        key="${argument%%=*}"
        case "${key##*[+\~]}" in
            trainer.default_local_dir) refuse "got $argument; expected a folder per stage: set OUTPUT_DIR" ;;
            actor_rollout_ref.model.path) refuse "got $argument; expected a model per stage: set MODEL_PATH" ;;
        esac
    done
}

# SFT in OUTPUT_DIR/sft, then RL in OUTPUT_DIR/SECOND from the last checkpoint of SFT.
launch_two_stages() { # MODEL/METHOD, second stage, overrides of both
    local experiment="$1" second="$2" sft_overrides rl_overrides start rl_file looks=false
    : "${MODEL_PATH:=$(path_in "base_model/${1%%/*}" path)}"
    shift 2
    rl_file="${RL_TRAIN_FILE:-$(path_in "experiment/$experiment/$second" train_files)}"
    read -r -a sft_overrides <<< "${SFT_OVERRIDES:-}"
    read -r -a rl_overrides <<< "${RL_OVERRIDES:-}"
    stages_own "$@" "${sft_overrides[@]}" "${rl_overrides[@]}"
    if only_looks "$@"; then looks=true; fi

    # A finished first stage is not repeated; an unfinished one resumes from its last checkpoint.
    if [[ ! -e "$OUTPUT_DIR/sft/finished" ]] || "$looks"; then
        command_of "$experiment/sft" "$OUTPUT_DIR/sft" "${name}_sft" "$MODEL_PATH" "$TRAIN_FILE" \
            "$@" "${sft_overrides[@]}"
        ! "$looks" || echo "--- # first stage: SFT"
        attend "${command[@]}" || exit "$?"
        "$looks" || touch "$OUTPUT_DIR/sft/finished"
    else
        echo "first stage: finished before, in $OUTPUT_DIR/sft; remove $OUTPUT_DIR/sft/finished to go on with it"
    fi
    start="$MODEL_PATH" # where nothing was trained, the base model stands in for the checkpoint
    if [[ -e "$OUTPUT_DIR/sft/finished" ]]; then
        start="$(exported "$OUTPUT_DIR/sft")"
    fi

    command_of "$experiment/$second" "$OUTPUT_DIR/$second" "${name}_$second" "$start" "$rl_file" \
        "$@" "${rl_overrides[@]}"
    ! "$looks" || echo "--- # second stage: ${second^^}"
    exec "${command[@]}"
}

launch_sft_then_grpo() { # MODEL, overrides of both
    launch_two_stages "$1/sft_then_grpo" grpo "${@:2}"
}
