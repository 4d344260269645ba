#!/usr/bin/env bash
# Plans the matrix, or keeps the mistakes of the playbooks for the publisher.
set -euo pipefail
shopt -s nullglob globstar
out=requalify-out/evidence
mkdir -p "$out"
files=()
for pattern in $PLAYBOOKS; do files+=($pattern); done
if [ "${#files[@]}" = 0 ]; then
  echo "error: no playbook matches: $PLAYBOOKS" >&2
  exit 2
fi
models=()
for model in $MODELS; do models+=(--model "$model"); done
# costs measured before make a better plan; without them sizes are estimated
costs=()
if "$REQUALIFY" fetch --state --out requalify-out/state && [ -f requalify-out/state/costs.json ]; then
  costs=(--costs requalify-out/state/costs.json)
fi
if ! "$REQUALIFY" plan "${files[@]}" --shards "$SHARDS" "${models[@]}" "${costs[@]}" --json \
  > "$out/plan.json" 2> "$out/problems.txt"; then
  cat "$out/problems.txt" >&2
  rm "$out/plan.json"
  exit 2
fi
rm "$out/problems.txt"
echo "matrix=$(cat "$out/plan.json")" >> "$GITHUB_OUTPUT"
