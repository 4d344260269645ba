"""Which issue stands for which key, among all that ever had it. Pure."""

from collections.abc import Callable, Iterable, Sequence

from bot.github.model import Issue, Seen


class Standing:
    """Our issues by key, in the order of their numbers."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.by_key: dict[str, list[Issue]] = {}
        self.corrections: dict[str, str] = {}  # key of the cause that stands -> cause that was claimed before
        for issue in sorted(issues, key=lambda item: item.number):
            if issue.state is not None:
                self.by_key.setdefault(issue.state.key, []).append(issue)

    def of(self, key: str) -> Issue | None:
        """Return the issue that stands for a key: the lowest open one, else the latest closed one."""
        issues = self.by_key.get(key, [])
        is_open = [issue for issue in issues if issue.open]
        if is_open:
            return is_open[0]
        real = [issue for issue in issues if issue.state_reason != "duplicate"]
        return max(real, key=lambda issue: (issue.closed or issue.created, issue.number), default=None)

    def others(self, keys: set[str]) -> list[Issue]:
        """Return the standing issues of all other keys, by number."""
        found = [self.of(key) for key in self.by_key if key not in keys]
        return sorted((issue for issue in found if issue), key=lambda issue: issue.number)

    def follow(self, findings: Sequence[Seen], may_be_filed: Callable[[Seen], bool]) -> None:
        """Let each open issue whose cause this run refutes follow the cause that stands."""
        found = {seen.key for seen in findings}
        for seen in findings:
            if self.of(seen.key) is not None or not may_be_filed(seen):
                continue
            for key in [key for key in self.by_key if key not in found]:
                issue = next((item for item in self.by_key[key] if item.open), None)
                if issue is not None and issue.state is not None and refutes(seen, issue):
                    self.corrections[seen.key] = issue.state.cause
                    self.by_key[seen.key] = self.by_key.pop(key)
                    break


def refutes(seen: Seen, issue: Issue) -> bool:
    """Return whether a finding takes back what an issue claims, of the same toolchain on one of the same gates."""
    state = issue.state
    return (
        state is not None
        and not state.members
        and state.cause in seen.refuted
        and state.cause != seen.cause
        and state.toolchain == seen.toolchain
        and any(row.cell in seen.cells for row in state.rows)
    )
