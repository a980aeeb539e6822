"""What a plugin sees of its environment keeps it from changing production unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.distributions import write_plugin
from tests.support.fake_alma import KEY, FakeAlma

_PLUGIN = """
from almajob.plugin import Command, Refused

class Change(Command):
    "Change something, in production only when asked for."
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--yes", action="store_true", help="change it in production, too")
        return parser
    def take_action(self, parsed_args):
        environment = self.context.environment
        if is_guarded(environment) and not parsed_args.yes:
            raise Refused(f"{environment.name} is a production environment.")
        self.context.alma.test_write()
"""
_CHECKS = {
    "kind": "environment.kind == 'production'",
    "text of the kind": "str(environment.kind) == 'production'",
    "is_production": "environment.is_production",
}


@pytest.mark.parametrize("check", _CHECKS)
@pytest.mark.parametrize(
    ("name", "kind", "options", "code"),
    [
        ("production", "", (), 5),
        ("live", "kind = production", (), 5),
        ("live", "kind = production", ("--yes",), 0),
        ("sandbox", "", (), 0),
        ("lab", "kind = sandbox", (), 0),
    ],
)
def test_a_plugin_knows_a_production_environment(
    alma: FakeAlma,
    write_ini: Callable[[str], Path],
    site_packages: Path,
    almajob: Run,
    check: str,
    name: str,
    kind: str,
    options: tuple[str, ...],
    code: int,
) -> None:
    """By its kind, which is a text, or by asking; and without --yes nothing is sent there."""
    source = f"{_PLUGIN}\ndef is_guarded(environment):\n    return {_CHECKS[check]}\n"
    write_plugin(site_packages, "almajob-change", "almajob_change", source, {"change": "Change"})
    write_ini(f"[{name}]\napi_key = {KEY}\nbase_url = {alma.url}\n{kind}\n")
    if code == 0:
        alma.on("POST /test", {})
    done = almajob("--env", name, "change", *options)
    assert done.code == code, done.err
    assert len(alma.calls("POST")) == (code == 0)
