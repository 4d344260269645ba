#!/usr/bin/env bash
# Fetches the evidence of the run the event speaks of, joins its shards, judges them again and tells GitHub.
set -euo pipefail
out=requalify-out
mkdir -p "$out/merged"
"$REQUALIFY" fetch --out "$out/artifacts"
"$REQUALIFY" fetch --state --out "$out/state"
plan=() costs=()
if [ -f "$out/state/costs.json" ]; then costs=(--costs "$out/state/costs.json"); fi
if [ -f "$out/artifacts/0/plan.json" ]; then plan=(--plan "$out/artifacts/0/plan.json"); fi
if [ -f "$out/artifacts/0/problems.txt" ]; then cp "$out/artifacts/0/problems.txt" "$out/merged/"; fi
if compgen -G "$out/artifacts/*/*/evidence.jsonl" > /dev/null; then
  # 4: a shard is missing, which the merged journal says itself
  "$REQUALIFY" merge "$out/artifacts" --each --out "$out/merged" "${plan[@]}" "${costs[@]}" || [ $? = 4 ]
elif [ ! -f "$out/merged/problems.txt" ]; then
  echo "error: the run left neither evidence nor mistakes of playbooks; look at its own log" >&2
  exit 4
fi
base=()
if [ -d "$out/state/base" ]; then base=(--base "$out/state/base"); fi
"$REQUALIFY" publish "$out/merged" --repo "$GITHUB_REPOSITORY" --history "$out/state" "${base[@]}"
