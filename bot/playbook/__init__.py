"""Says what to test."""

from bot.playbook.load import load
from bot.playbook.model import Budgets, FailurePolicy, ModelSpec, Plan, Planned, Playbook
from bot.playbook.plan import plan
from bot.playbook.shards import parse_shard, shard

__all__ = [
    "Budgets",
    "FailurePolicy",
    "ModelSpec",
    "Plan",
    "Planned",
    "Playbook",
    "load",
    "parse_shard",
    "plan",
    "shard",
]
