#!/usr/bin/env bash
# Makes an environment of its own under RUNNER_TEMP and says where the command is.
set -euo pipefail
if [ -n "${GIVEN:-}" ]; then
  command="$(dirname "$GIVEN")/requalify"
  "$command" --version
else
  root="$(cd "$ACTION/../../.." && pwd)"
  place="$RUNNER_TEMP/requalify"
  python3 -m venv "$place"
  pip="$place/bin/python -m pip --disable-pip-version-check --quiet"
  # hashes for all that comes from an index; our own code comes with the action, so nothing else is fetched for it
  $pip install --require-hashes --only-binary=:all: -r "$root/requirements/${EXTRA:-base}.txt"
  $pip install --no-deps --no-build-isolation --no-index "$root"
  command="$place/bin/requalify"
fi
echo "command=$command" >> "$GITHUB_OUTPUT"
