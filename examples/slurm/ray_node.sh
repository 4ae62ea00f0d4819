#!/usr/bin/env bash
# Ray on this node until it is told to end; ray_cluster.sh runs it as a job step.
#
#   ray_node.sh NAME [options of `ray start`]
#
# USR1 or TERM ends it. The temporary folder is the job's own, so that jobs and users who share a node do not meet in
# /tmp/ray, and goes with it. Of a node that fails, the logs of Ray's own processes are kept in LOG_DIR.
set -euo pipefail

: "${RAY_START_TRIES:=3}"
name="$1"
shift
read -r -a options <<<"${RAY_START_OPTIONS:-}"
folder="$(mktemp -d "${RAY_TMPDIR:-/tmp}/ray-$SLURM_JOB_ID-XXXXXX")"
ray=""
told=0
trap 'told=1; [[ -z "$ray" ]] || kill -TERM "$ray" 2>/dev/null || true' USR1 TERM INT
trap 'rm -rf "$folder"' EXIT

run_ray() { # temporary folder, options of `ray start`: runs it until it ends, and sets `status`
    # Cores are the job's, where Ray would count the machine's. Ports that Ray would fix (workers, agent) are left to the
    # system: two jobs may share the node.
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
        if ((told)); then exit 0; fi
        keep_logs "$folder/$try"
        # Ray gives its processes seconds to start, which a cold file system may not. Once the cluster is up there is
        # no way back: what ran on this node is lost.
        if [[ -e "$LOG_DIR/up" ]] || ((try >= RAY_START_TRIES)); then break; fi
        echo "Ray did not start; trying again ($((try + 1)) of $RAY_START_TRIES)"
    done
    # Nobody told it to end: never a success.
    exit $((status == 0 ? 1 : status))
}

main "$@"
