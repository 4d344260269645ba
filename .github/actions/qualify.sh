#!/usr/bin/env bash
# Runs the shards of one job. What is falsified is evidence, not a failure of this job; what fails it is not being able to tell.
set -uo pipefail
set -f # gates are globs for requalify, not for the shell
out=requalify-out/evidence
mkdir -p "$out"
read -ra playbooks <<< "$PLAYBOOK"
read -ra shards <<< "$SHARD"
options=()
if [ "$BACKEND" != all ]; then options+=(--backend "$BACKEND"); fi # all: those of the playbook
for gate in $GATES; do options+=(--gates "$gate"); done
# a machine without a GPU is sick only where one was promised
promised=()
case "$RUNS_ON" in *gpu*) [ "$BACKEND" = cpu ] || promised=(--runner) ;; esac
"$REQUALIFY" doctor "${promised[@]}" --json > "$out/health.json" || options+=(--sick "$out/health.json")
worst=0
for i in "${!playbooks[@]}"; do
  "$REQUALIFY" run "${playbooks[$i]}" --shard "${shards[$i]}" --out "requalify-out/run-$i" "${options[@]}"
  code=$?
  case $code in 0 | 1 | 4) ;; *) worst=$code ;; esac
  mkdir -p "$out/$i"
  cp "requalify-out/run-$i/evidence.jsonl" "$out/$i/" || true
done
exit "$worst"
