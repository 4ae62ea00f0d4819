# shellcheck shell=bash
# What the launch scripts beside this file share; they source it. Paths and sizes come from the environment:
#
#   MODEL_PATH      the checkpoint's folder, or a hub id             models/... (hpt model prepare)
#   TRAIN_FILE      parquet with gold solutions in `target`          data/openr1_math_46k.parquet
#   RL_TRAIN_FILE   of the second of two stages                      TRAIN_FILE
#   VAL_FILE        parquet file, or [a,b] with absolute paths       data/benchmarks/math500.parquet
#   OUTPUT_DIR      the run's folder; launched again, it resumes     runs/NAME, NAME from run_NAME.sh
#   NODES           and GPUS_PER_NODE                                1 and 8 (of 80 GB)
#   PYTHON          interpreter with hpt and verl                    python
#   CONFIG          hpt_trainer, or quickstart for a CPU             hpt_trainer
#   DRY_RUN=1       print the composed configuration, validate it, the data and the paths, start nothing
#
# The defaults are in the checkout; relative paths are relative to where the script is called. Arguments are Hydra
# overrides and win over everything here; in two-stage scripts SFT_OVERRIDES and RL_OVERRIDES, words separated by
# spaces, go to one stage. Exit status: 0 done, 2 bad settings, data or paths, 130 interrupted, else failed.
set -euo pipefail

refuse() { # message
    echo "error: $1" >&2
    exit 2
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    refuse "got examples/launch.sh as a program; expected one of the scripts that source it: examples/run_*.sh"
fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
name="$(basename "${BASH_SOURCE[1]}" .sh)"
name="${name#run_}"
: "${TRAIN_FILE:=$root/data/openr1_math_46k.parquet}" "${RL_TRAIN_FILE:=$TRAIN_FILE}"
: "${VAL_FILE:=$root/data/benchmarks/math500.parquet}"
: "${OUTPUT_DIR:=$root/runs/$name}"
: "${NODES:=1}" "${GPUS_PER_NODE:=8}" "${PYTHON:=python}" "${CONFIG:=hpt_trainer}"
caller="$PWD"
[[ "$OUTPUT_DIR" == /* ]] || OUTPUT_DIR="$caller/$OUTPUT_DIR"
[[ "$PYTHON" != */* || "$PYTHON" == /* ]] || PYTHON="$caller/$PYTHON"
cd "$root" # `recipe` is run from the checkout

# Section 4 of the paper. Another CONFIG has sizes of its own; what makes a row is passed all the same.
paper=()
if [[ "$CONFIG" == hpt_trainer ]]; then
    paper=(
        data.train_batch_size=128
        data.max_prompt_length=1024
        data.max_response_length=8192
        actor_rollout_ref.actor.ppo_mini_batch_size=64
        actor_rollout_ref.actor.entropy_coeff=0.0
        actor_rollout_ref.actor.optim.lr=5e-6
        'actor_rollout_ref.actor.optim.betas=[0.9,0.999]'
        actor_rollout_ref.actor.optim.weight_decay=0.01
        actor_rollout_ref.actor.optim.lr_scheduler_type=constant
        actor_rollout_ref.actor.optim.lr_warmup_steps=0
        actor_rollout_ref.rollout.n=8 # LUFFY and SRFT: 7 and the gold solution
        actor_rollout_ref.rollout.temperature=1.0
        actor_rollout_ref.rollout.val_kwargs.n=8
        actor_rollout_ref.rollout.val_kwargs.temperature=0.6
        actor_rollout_ref.rollout.val_kwargs.top_p=0.95
        trainer.total_training_steps=500
        trainer.test_freq=10
        trainer.save_freq=50
    )
fi

# The paper states no settings of its SFT. These are common ones for long solutions, to be tuned: a mean over the
# tokens of an optimizer step, a learning rate of its own with warmup and cosine schedule, epochs and not steps.
sft=(
    hpt.strategy=sft_only
    actor_rollout_ref.actor.optim.lr=2e-5
    actor_rollout_ref.actor.optim.lr_warmup_steps_ratio=0.1
    actor_rollout_ref.actor.optim.lr_warmup_steps=-1
    actor_rollout_ref.actor.optim.lr_scheduler_type=cosine
    trainer.total_epochs=3
    trainer.total_training_steps=null
)

# Nor of GRPO: what all rows share, with the deviation and the clip of Table 1. 0.2 is the usual clip.
grpo=(
    hpt.strategy=rl_only
    hpt.rollout_algorithm=grpo
    hpt.clip_ratio=0.2
)

# The template of LLaMA-3.1-8B, a base model without one. A Hydra string of several lines.
# shellcheck disable=SC2034 # used by the scripts
llama=("data.prompt_template=\"Question:
{prompt}
Please reason step by step, and put your final answer within \\boxed{}.
Answer:
Let's think step by step.\"")

hydra_path() { # a path, whatever its characters, as an absolute one that Hydra reads whole; [a,b] stays a list
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

model_path() { # a relative path that is no folder is a hub id, unless it begins as paths do: then it is refused as missing
    if [[ -d "$caller/$1" || "$1" == models/* || "$1" == ./* || "$1" == ../* ]]; then
        hydra_path "$1"
    else
        printf '"%s"' "${1//\"/\\\"}"
    fi
}

command_of() { # folder, name, model, training file, overrides -> the array `command`
    local folder="$1" title="$2" model="$3" file="$4"
    shift 4
    if ! command -v "$PYTHON" > /dev/null; then
        refuse "got PYTHON=$PYTHON, which is no program; expected a Python with hpt and verl"
    fi
    command=(
        "$PYTHON" -m recipe.hpt.main_hpt --config-name "$CONFIG" "${paper[@]}"
        data.train_files="$(hydra_path "$file")"
        data.val_files="$(hydra_path "$VAL_FILE")"
        actor_rollout_ref.model.path="$(model_path "$model")"
        trainer.nnodes="$NODES"
        trainer.n_gpus_per_node="$GPUS_PER_NODE"
        trainer.default_local_dir="$(hydra_path "$folder")"
        trainer.experiment_name="$title"
    )
    if [[ "${DRY_RUN:-0}" == 1 && "${CHECK:-0}" != 1 ]]; then # writes nothing; a check sees to that itself
        command+=(hydra.run.dir=. hydra.output_subdir=null hydra/job_logging=none)
    else # the composed configuration and the overrides of each launch
        command+=("hydra.run.dir=$(hydra_path "$folder/hydra/\${now:%Y-%m-%d_%H-%M-%S}")")
    fi
    command+=("$@")
}

launch() { # overrides: one training in OUTPUT_DIR, in place of this shell
    command_of "$OUTPUT_DIR" "$name" "$MODEL_PATH" "$TRAIN_FILE" "$@"
    exec "${command[@]}"
}

attend() { # a command; it gets the signals that end this script, and its exit status is returned
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

only_looks() { # arguments: whether no training follows from them (--check, --cfg job, ...)
    local argument
    [[ "${DRY_RUN:-0}" != 1 && "${CHECK:-0}" != 1 ]] || return 0
    for argument in "$@"; do
        case "$argument" in
            -m | --multirun) refuse "got $argument; expected one training per stage: launch once for each value" ;;
            -*) return 0 ;;
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

stages_own() { # overrides: refuses those of what each stage has of its own
    local argument
    for argument in "$@"; do
        case "${argument%%=*}" in
            trainer.default_local_dir) refuse "got $argument; expected a folder per stage: set OUTPUT_DIR" ;;
            actor_rollout_ref.model.path) refuse "got $argument; expected a model per stage: set MODEL_PATH" ;;
        esac
    done
}

# SFT in OUTPUT_DIR/sft, then GRPO in OUTPUT_DIR/grpo from SFT's last checkpoint.
launch_sft_then_grpo() { # overrides of both
    local sft_overrides rl_overrides start="$MODEL_PATH" looks=false
    read -r -a sft_overrides <<< "${SFT_OVERRIDES:-}"
    read -r -a rl_overrides <<< "${RL_OVERRIDES:-}"
    stages_own "$@" "${sft_overrides[@]}" "${rl_overrides[@]}"
    if only_looks "$@"; then looks=true; fi

    # A finished first stage is not repeated; an unfinished one resumes from its last checkpoint.
    if [[ ! -e "$OUTPUT_DIR/sft/finished" ]] || "$looks"; then
        command_of "$OUTPUT_DIR/sft" "${name}_sft" "$MODEL_PATH" "$TRAIN_FILE" "${sft[@]}" "$@" "${sft_overrides[@]}"
        ! "$looks" || echo "--- # first stage: SFT"
        attend "${command[@]}" || exit "$?"
        "$looks" || touch "$OUTPUT_DIR/sft/finished"
    else
        echo "first stage: finished before, in $OUTPUT_DIR/sft; remove $OUTPUT_DIR/sft/finished to go on with it"
    fi
    if [[ -e "$OUTPUT_DIR/sft/finished" ]]; then
        start="$(exported "$OUTPUT_DIR/sft")"
    fi # else nothing was trained, and the base model stands in for the checkpoint

    command_of "$OUTPUT_DIR/grpo" "${name}_grpo" "$start" "$RL_TRAIN_FILE" "${grpo[@]}" "$@" "${rl_overrides[@]}"
    ! "$looks" || echo "--- # second stage: GRPO"
    exec "${command[@]}"
}
