"""What almajob says, and what its documentation says, is plain English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tools.generated_docs import ROOT
from tests.tools.messages import find_banned, find_messages

_PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "almajob.ini.sample",
    *sorted(ROOT.glob("docs/*.md")),
]


def _find_odd(page: str) -> list[str]:
    """Return what a page has of banned wordings, outside of code."""
    text = re.sub(r"^```.*?^```$|`[^`]*`", "…", page, flags=re.MULTILINE | re.DOTALL)
    return find_banned(re.sub(r"[\s;]+", " ", text))


def test_no_message_sounds_translated() -> None:
    """Errors, lines of the log and help texts; python -m tests.tools.messages shows all of them."""
    messages = list(find_messages())
    assert len(messages) > 400
    odd = {message.place: find_banned("\n".join(message.parts)) for message in messages}
    assert {place: found for place, found in odd.items() if found} == {}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_no_page_sounds_translated(page: Path) -> None:
    """The pages, the changelog and the sample."""
    assert _find_odd(page.read_text("utf-8")) == []


def test_a_banned_wording_is_found() -> None:
    """Also at a sentence's beginning, over a line's end and in a comment; not within code."""
    assert find_banned("The ini has no section [sandbox].") == ["'The ini', rather 'the configuration file'"]
    assert find_banned("Read it again.") == []
    assert len(_find_odd("It begins anew, as the\nini is\n; no list.\n")) == 3
    assert _find_odd("`the ini`\n\n```sh\necho anew\n```\n\nThe configuration file.\n") == []
