"""`python -m bot.playbook > playbooks/playbook.schema.json`: the JSON Schema for editors."""

import json
import sys

from bot.playbook.schema import json_schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
