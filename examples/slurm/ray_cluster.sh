#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# Start Ray on all nodes of a Slurm job and run one of the scripts in examples/ on it. The sbatch files in this folder
# call this script.
#
#   ray_cluster.sh SCRIPT [overrides]      e.g. ray_cluster.sh run_qwen2.5_math_7b_hpt.sh trainer.save_freq=20
#
# One job step per node runs ray_node.sh, the head's first. LOG_DIR has their output, one file per node. If a node ends
# before the training does, the job names it and ends with status 1. Otherwise the job has the training's status.
#
# USR1 ends the training and Ray, and puts the job back into the queue; the same command then goes on from the last
# checkpoint. The sbatch files ask Slurm for it before the time limit or a preemption. TERM (scancel, or a preemption
# without warning) ends the training and Ray only: Slurm itself requeues a preempted job, and a cancelled one must stay
# cancelled.
#
# Environment, all optional:
#   PYTHON             interpreter with ray, verl and hpt, on every node (python)
#   GPUS_PER_NODE      accelerators of each node (the number that Slurm gives to this one)
#   HEAD_IP            the head's address, if Ray's own choice is in the wrong network
#   RAY_START_OPTIONS  further options of `ray start` on every node, words separated by spaces
#   RAY_TMPDIR         parent of Ray's temporary folder, local to each node; a short path (/tmp)
#   RAY_START_TRIES    starts of Ray on a node before it counts as failed (3); only one once all nodes were up
#   RAY_READY_SECONDS  seconds until all nodes must be there (600)
#   STOP_SECONDS       seconds that the training has to end after TERM, and then Ray (45)
#   REQUEUE_ON_TERM=1  also put the job back on TERM, if Slurm preempts with TERM and does not requeue
#   LOG_DIR            folder for the nodes' logs (runs/slurm/JOB_ID)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"

say() { echo "[$(date +%T)] $*"; }

die() { # message, status
    echo "error: $1" >&2
    exit "${2:-2}"
}

find_script() { # name, with or without .sh: prints the script's path
    local name="${1%.sh}.sh" available
    if [[ "$name" == */* || "$name" != run_* || ! -f "$root/examples/$name" ]]; then
        available="$(cd "$root/examples" && printf '  %s\n' run_*.sh)"
        die "got '$1', which is no training script in $root/examples; available:"$'\n'"$available"
    fi
    echo "$root/examples/$name"
}

[[ $# -gt 0 ]] || die "got no script; expected the name of one in examples/, then overrides"
script="$(find_script "$1")"
shift
[[ -n "${SLURM_JOB_ID:-}" && -n "${SLURM_JOB_NODELIST:-}" ]] ||
    die "got no Slurm job (SLURM_JOB_ID, SLURM_JOB_NODELIST); expected to be run by sbatch"
: "${PYTHON:=python}" "${RAY_READY_SECONDS:=600}" "${STOP_SECONDS:=45}"
: "${GPUS_PER_NODE:=${SLURM_GPUS_ON_NODE:-}}" "${LOG_DIR:=$root/runs/slurm/$SLURM_JOB_ID}"
[[ "$GPUS_PER_NODE" =~ ^[1-9][0-9]*$ ]] ||
    die "got GPUS_PER_NODE='$GPUS_PER_NODE'; expected a number: ask Slurm for GPUs (--gpus-per-node=8), or set it"
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
[[ ${#nodes[@]} -gt 0 ]] || die "scontrol names no host in SLURM_JOB_NODELIST=$SLURM_JOB_NODELIST" 1
export PYTHON LOG_DIR GPUS_PER_NODE NODES="${#nodes[@]}"
unset RAY_ADDRESS # it may come from the shell that submitted the job
# Ray's ports are open to the whole network, and whoever knows the token may run code in this job's name. It is the same
# on every node, whatever token the home folder has.
RAY_AUTH_TOKEN="$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
mkdir -p "$LOG_DIR"
rm -f "$LOG_DIR/up" # it may be there from a run before the job was requeued
cd "$root"

# ---- processes: each has a group of its own, so that a signal reaches all of it ----

declare -A steps=() # node -> process id of its srun
task=""             # process group that the job waits for: first the cluster's readiness, then the training
received=""         # the signal that ended the wait

trap 'received=${received:-USR1}' USR1
trap 'received=${received:-TERM}' TERM
trap 'received=${received:-INT}' INT
trap 'end_all' EXIT

alive() { # processes (negative: groups): whether one of them is left that is not a zombie
    ps -e -o pid= -o pgid= -o stat= | awk -v numbers=" ${*#-} " '
        (index(numbers, " " $1 " ") || index(numbers, " " $2 " ")) && $3 !~ /^Z/ { found = 1 }
        END { exit !found }'
}

send() { # signal, processes (negative: groups); a process that was just started may have no group of its own yet
    local process name="$1"
    shift
    for process in "$@"; do
        kill "-$name" -- "$process" 2>/dev/null || kill "-$name" "${process#-}" 2>/dev/null || true
    done
}

end() { # first signal, last signal (after STOP_SECONDS), processes
    local first="$1" last="$2" end_at=$((SECONDS + STOP_SECONDS))
    shift 2
    send "$first" "$@"
    while alive "$@"; do
        if ((SECONDS >= end_at)); then
            say "processes $* did not end within $STOP_SECONDS s: killed"
            send "$last" "$@"
            return
        fi
        sleep 0.2
    done
}

end_all() { # the training first, whose workers Ray ends; the head last
    local node workers=()
    if [[ -n "$task" ]]; then end TERM KILL "-$task"; fi
    task=""
    for node in "${!steps[@]}"; do
        if [[ "$node" != "${nodes[0]}" ]]; then workers+=("${steps[$node]}"); fi
    done
    # srun forwards USR1 to the step's processes; on TERM it kills them, and ray_node.sh could not tidy up.
    if [[ ${#workers[@]} -gt 0 ]]; then end USR1 TERM "${workers[@]}"; fi
    if [[ -n "${steps[${nodes[0]}]:-}" ]]; then end USR1 TERM "${steps[${nodes[0]}]}"; fi
    steps=()
}

start_node() { # node, arguments of ray_node.sh
    local node="$1"
    shift
    # --export: a job submitted with --export=NONE would hand on nothing of what is set here.
    # --overlap, --mem=0: the step shares all that the job has; without --cpu-bind=none it may get a single core.
    setsid srun --export=ALL --nodes=1 --ntasks=1 --nodelist="$node" --overlap --mem=0 --cpu-bind=none \
        bash "$here/ray_node.sh" "$node" "$@" </dev/null >>"$LOG_DIR/ray-$node.log" 2>&1 &
    steps[$node]=$!
}

report_ended_nodes() { # names nodes whose step has ended, with status and log; false when there is none
    local node status found=1
    for node in "${!steps[@]}"; do
        if kill -0 "${steps[$node]}" 2>/dev/null; then continue; fi
        found=0 status=0
        wait "${steps[$node]}" || status=$?
        {
            echo "error: Ray on node $node ended with status $status before the job did."
            echo "Its log, $LOG_DIR/ray-$node.log:"
            grep -vF '[state-dump]' "$LOG_DIR/ray-$node.log" | tail -n 30 | sed 's/^/    /' || true
        } >&2
    done
    return "$found"
}

watch() { # command: runs it until it ends, a node ends or a signal comes; sets `outcome` to ended, node or signal
    outcome="" status=0
    setsid "$@" </dev/null &
    task=$!
    while [[ -z "$outcome" ]]; do
        if ! kill -0 "$task" 2>/dev/null; then
            wait "$task" || status=$?
            outcome=ended
        elif [[ -n "$received" ]]; then
            outcome=signal
        elif report_ended_nodes; then
            outcome=node
        else
            sleep 0.2
        fi
    done
    if [[ "$outcome" == ended && "$status" -ne 0 && -n "$received" ]]; then
        outcome=signal # the command got it as well, and ended first
    elif [[ "$outcome" == ended && "$status" -ne 0 ]]; then
        sleep 2 # if a lost node ended the command, its step ends a little later
        report_ended_nodes || true
    fi
}

finish() { # ends everything, with the status that follows from how `watch` ended
    say "ending ${script##*/} and Ray${received:+ (signal $received)}"
    end_all
    case "$outcome" in
        ended) exit "$status" ;;
        node) exit 1 ;;
    esac
    if [[ "$received" == USR1 || ("$received" == TERM && "${REQUEUE_ON_TERM:-0}" == 1) ]]; then
        say "requeueing job $SLURM_JOB_ID; the same command goes on from the last checkpoint"
        scontrol requeue "$SLURM_JOB_ID" ||
            die "job $SLURM_JOB_ID was not requeued: submit it again; it goes on from the last checkpoint" 1
    fi
    exit $((128 + $(kill -l "$received")))
}

await() { # nodes: waits until all of them are there
    watch "$PYTHON" -m hpt.verl_ext.ray_cluster wait --address "$address" --timeout "$RAY_READY_SECONDS" \
        --gpus-per-node "$GPUS_PER_NODE" --nodes "$@"
    if [[ "$outcome" == ended && "$status" -eq 0 ]]; then
        task=""
        return
    fi
    if [[ "$outcome" == ended ]]; then echo "error: Ray did not come up; logs: $LOG_DIR/ray-NODE.log" >&2; fi
    finish
}

# This is a function, so that bash has read the whole file before anything starts: it may change while the job runs.
main() { # overrides
    local place ip port client_port address node
    say "job $SLURM_JOB_ID (restart ${SLURM_RESTART_COUNT:-0}): ${script##*/} on ${nodes[*]}, $GPUS_PER_NODE GPUs each"
    place="$("$PYTHON" -m hpt.verl_ext.ray_cluster place ${HEAD_IP:+--ip "$HEAD_IP"})" ||
        die "PYTHON=$PYTHON cannot use ray and hpt, see above: activate their environment, or set PYTHON" 1
    read -r ip port client_port <<<"$place"
    address="$ip:$port"
    start_node "${nodes[0]}" --head --node-ip-address="$ip" --port="$port" \
        --ray-client-server-port="$client_port" --include-dashboard=false --disable-usage-stats
    await "${nodes[0]}"
    if [[ ${#nodes[@]} -gt 1 ]]; then
        for node in "${nodes[@]:1}"; do start_node "$node" --address="$address"; done
        await "${nodes[@]}"
    fi
    touch "$LOG_DIR/up"
    say "Ray is up at $address; logs in $LOG_DIR"
    RAY_ADDRESS="$address" watch bash "$script" "$@"
    finish
}

main "$@"
