"""The parts of the docs that the program knows better, and whole pages.

``python -m tests.tools.generated_docs`` writes them; ``--measured`` also those that take minutes to count.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.alma.status_codes import STATUSES
from almajob.cli.app import AlmaJob
from almajob.cli.plugins.completion_grammar import of_core
from almajob.completion.grammar import CORE
from almajob.errors import ERROR_CODES, EXIT_CODES, AlmajobError
from almajob.jobs.success_policy import Policy
from almajob.simulator.faults import NAMES
from tests.benchmarks import polling
from tests.runs import histories, two_hosts
from tests.tools import commands_page, man_page, plugin_api
from tests.whole import test_torture as torture

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TESTED = ROOT / "docs" / "how-it-is-tested.md"
SIMULATOR = ROOT / "docs" / "simulator.md"
PARAMETERS = ROOT / "docs" / "parameters.md"
FOLLOWING = ROOT / "docs" / "following.md"
JSON = ROOT / "docs" / "json.md"
MAN_PAGE = ROOT / "docs" / "almajob.1"


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| code | meaning for a script |", "|---:|---|", *rows])


def _error_codes() -> str:
    exits = {kind.kind: kind.exit_code for kind in _list_errors(AlmajobError)}
    rows = [f"| `{code}` | {exits[code]} | {meaning} |" for code, meaning in ERROR_CODES.items()]
    return "\n".join(["| code | exit code | meaning |", "|---|---:|---|", *rows])


def _list_errors(kind: type[AlmajobError]) -> Iterator[type[AlmajobError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _list_errors(each)


def _faults() -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in NAMES.items()]
    return "\n".join(["| name | what happens |", "|---|---|", *rows])


def _model_check() -> str:
    head = "| what is started where | histories | started twice | denied | strangers taken | left open |"
    rows = [
        histories.figures(group, histories.histories(histories.worlds_of(group)))
        for group in histories.groups()
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|", *rows])


def _two_hosts() -> str:
    head = (
        "| what two hosts start | histories | started twice | claimed twice | denied | told of another's run "
        "| left open |"
    )
    rows = [
        two_hosts.figures(group, two_hosts.histories(two_hosts.pairs_of(group)))
        for group in two_hosts.groups()
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])


def _torture() -> str:
    head = (
        "| command | operations | failures | done all the same | refused or not seen (5 to 8) "
        "| outcome unknown (9) | result not written (1) |"
    )
    rows = []
    for name, count, codes in torture.figures():
        not_done = sum(codes[code] for code in (5, 6, 7, 8))
        told = (codes.total(), codes[0], not_done, codes[9], codes[1])
        rows.append(f"| `{name}` | {count} | {' | '.join(map(str, told))} |")
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])


def _statuses() -> str:
    rows = []
    for code, (description, meaning) in STATUSES.items():
        run = Instance("1", status=Code(code))
        judgement = Policy().judge(run) if run.has_ended else None
        code_text = "" if judgement is None else "3" if judgement.error else "0"
        word = ", with a warning" if judgement and judgement.remark else ""
        rows.append(f"| `{code}` | {description} | {meaning.value} | {code_text}{word} |")
    return "\n".join(["| status | Alma's words | class | exit code of a wait |", "|---|---|---|---|", *rows])


MEASURED = ("model check", "two hosts", "torture")
"""Of the parts those that are played thousands of times to be counted."""
PARTS: dict[str, tuple[Path, Callable[[], str]]] = {
    "exit codes": (README, _exit_codes),
    "error codes": (JSON, _error_codes),
    "faults": (SIMULATOR, _faults),
    "model check": (TESTED, _model_check),
    "two hosts": (TESTED, _two_hosts),
    "torture": (TESTED, _torture),
    "statuses": (FOLLOWING, _statuses),
    "polling": (FOLLOWING, polling.table),
}


def grammar() -> str:
    """Return what completions know of our own commands."""
    return json.dumps(of_core(AlmaJob()), ensure_ascii=False, separators=(",", ":")) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    Path(CORE): grammar,
    ROOT / "docs" / "commands.md": commands_page.text,
    MAN_PAGE: man_page.text,
    ROOT / "docs" / "plugin-api.md": plugin_api.text,
}


def with_generated_part(name: str, text: str) -> str:
    """Put a generated part into its page."""
    block = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return block.sub(lambda found: f"{found[1]}{PARTS[name][1]()}\n{found[2]}", text)


if __name__ == "__main__":
    # The model tells of thousands of starts.
    logging.disable(logging.CRITICAL)
    for name, (page, _) in PARTS.items():
        if name in MEASURED and "--measured" not in sys.argv:
            continue
        page.write_text(with_generated_part(name, page.read_text("utf-8")), "utf-8")
    for page, text in PAGES.items():
        page.write_text(text(), "utf-8")
