#!/usr/bin/env bash
# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
#
# Run Ray on this node until a signal ends it; ray_cluster.sh starts this as a job step.
#
#   ray_node.sh NAME [options of `ray start`]
#
# USR1 or TERM ends it. The temporary folder is the job's own, so that jobs and users who share a node do not meet in
# /tmp/ray, and is removed at the end. If Ray fails, LOG_DIR keeps the logs of its processes.
set -euo pipefail

: "${RAY_START_TRIES:=3}"
name="$1"
shift
read -r -a options <<<"${RAY_START_OPTIONS:-}"
folder="$(mktemp -d "${RAY_TMPDIR:-/tmp}/ray-$SLURM_JOB_ID-XXXXXX")"
ray=""
stopping=0
trap 'stopping=1; [[ -z "$ray" ]] || kill -TERM "$ray" 2>/dev/null || true' USR1 TERM INT
trap 'rm -rf "$folder"' EXIT

run_ray() { # temporary folder, options of `ray start`: runs it until it ends, and sets `status`
    # The number of cores is the job's; Ray would count the machine's. The system chooses the ports of workers and
    # agent, because two jobs may share the node.
    "${PYTHON:-python}" -m ray.scripts.scripts start --block --node-name="$name" --temp-dir="$1" \
        --num-cpus="$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" \
        --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0 "${@:2}" "${options[@]}" &
    ray=$!
    status=0
    wait "$ray" || status=$?
    while kill -0 "$ray" 2>/dev/null; do # a signal ended the wait, not Ray
        status=0
        wait "$ray" || status=$?
    done
}

keep_logs() { # Ray's temporary folder
    local kept="$LOG_DIR/ray-$name"
    mkdir -p "$kept"
    cp "$1"/session_latest/logs/{raylet,gcs_server,ray_process_exit}* "$kept"/ 2>/dev/null || true
    echo "Ray ended with status $status; logs of its processes: $kept"
}

main() {
    local try
    for ((try = 1; ; try++)); do
        run_ray "$folder/$try" "$@"
        if ((stopping)); then exit 0; fi
        keep_logs "$folder/$try"
        # Ray gives its processes seconds to start, and a cold file system may need longer. Once the cluster was up,
        # there is no second try: what ran on this node is lost.
        if [[ -e "$LOG_DIR/up" ]] || ((try >= RAY_START_TRIES)); then break; fi
        echo "Ray did not start; trying again ($((try + 1)) of $RAY_START_TRIES)"
    done
    # Nobody asked Ray to end, so this is never a success.
    exit $((status == 0 ? 1 : status))
}

main "$@"
