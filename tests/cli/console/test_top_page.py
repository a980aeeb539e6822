"""What the page of ``almajob top`` looks like, at any size: facts in, lines out."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.cli.console.top_page import Moment, print_lines, render
from almajob.errors import JobEndedBadly, Unreachable
from almajob.runs.run import Run
from almajob.runs.top.page import GoingOn, Page, Trouble
from almajob.store.ledger.record import Record, State, Transition

ERP = "ERP export using profile FINANCE"
NOW = datetime(2026, 11, 30, 14, 30, 5, tzinfo=UTC)
MOMENT = Moment(NOW.timestamp(), in_utc=True)


def _run(
    number: int, status: str = "RUNNING", name: str = ERP, *, ago: float = 300, by: str = "exl_api"
) -> Run:
    begun = NOW - timedelta(seconds=ago)
    instance = Instance(
        f"956364308{number:03}0561",
        status=Code(status),
        progress=42.0,
        submitted_by=Code(by),
        submit_time=begun,
        start_time=begun,
        end_time=NOW if status.startswith(("COMPLETED", "FAILED")) else None,
        job=Job("S1", name),
    )
    return Run(instance, "", "sandbox", JobEndedBadly("x") if status == "FAILED" else None)


def _start(name: str = ERP) -> Record:
    steps = ((State.PREPARED, ""), (State.SENDING, ""), (State.UNKNOWN, "no answer"))
    trail = tuple(Transition(state, MOMENT.now - 60, why) for state, why in steps)
    return Record("20261130-9cb6c4", "sandbox", "01X", "S1", name, "key", False, 1, "", "", trail)


FULL = Page(
    "sandbox",
    going_on=(
        GoingOn(_run(1, ago=5400), 5400, 1200, is_late=True),
        GoingOn(_run(2, "QUEUED", "書誌データ一括変更ジョブ" * 4), 300),
        GoingOn(_run(3, "", by=""), None),
    ),
    unclear=(_start(),),
    ended=(_run(4, "COMPLETED_SUCCESS"), _run(5, "FAILED"), _run(6, "COMPLETED_WARNING", ago=90_000)),
    jobs=88,
    asked=88,
    calls_left=84_312,
    next_look=3.2,
    seen=1.0,
)


def _show(
    *pages: Page, columns: int = 80, rows: int = 24, message: str = "", no_color: bool = True
) -> list[str]:
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        no_color=no_color,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return print_lines(console, render(pages, columns, rows, MOMENT, message), columns, rows)


def _plain(lines: list[str]) -> list[str]:
    return [Text.from_ansi(line).plain.rstrip() for line in lines]


def test_everything_is_seen_at_80_columns() -> None:
    """Job, status, progress, since when, how long and how long usually, by whom; and what ended."""
    assert _plain(_show(FULL)) == [
        "almajob top                                                         14:30:05 UTC",
        " sandbox  3 running (1 late), 1 not clear, 3 ended (1 badly), 84,312 calls left…",
        "",
        "Running",
        "ERP export using profile FINANCE       RUNNING      ━━━━        42 % 1 h 30 min",
        "  9563643080010561  since 13:00  late, usually 20 min 00 s  by exl_api",
        "書誌データ一括変更ジョブ書誌データ一 … QUEUED                        5 min 00 s",
        "  9563643080020561  since 14:25  by exl_api",
        "ERP export using profile FINANCE       not seen yet",
        "  9563643080030561  since 14:25",
        "",
        "Unknown whether started  (almajob runs settle looks again)",
        "14:29            ERP export using profil… unknown                20261130-9cb6c4",
        "",
        "Ended",
        "14:30 ERP export using profile F… COMPLETED_SUCCESS 5 min 00 s  9563643080040561",
        "14:30 ERP export using profile F… FAILED            5 min 00 s  9563643080050561",
        "14:30 ERP export using profile F… COMPLETED_WARNING 1 day 1 h   9563643080060561",
        *[""] * 5,
        "q leaves; the jobs go on                                        next look in 4 s",
    ]


@pytest.mark.parametrize("columns", [12, 20, 40, 60, 80, 118, 200])
@pytest.mark.parametrize("rows", [1, 2, 5, 12, 24, 60])
def test_the_page_fits_any_terminal(columns: int, rows: int) -> None:
    """Just as many lines as there are rows, none wider; statuses and lengths are whole from 60 columns on."""
    trouble = Trouble(Unreachable("No connection to alma.example could be made " + "so " * 60), 75)
    many = tuple(GoingOn(_run(number), 300.0 + number, 1200) for number in range(40))
    for page in (
        FULL,
        Page("sandbox"),
        Page("sandbox", going_on=many, ended=FULL.ended * 9, unclear=FULL.unclear * 9),
    ):
        for shown in ((page,), (page, page, page), (_with(page, trouble),)):
            lines = _show(*shown, columns=columns, rows=rows, message="a warning " * 30)
            assert len(lines) <= rows
            assert [line for line in lines if cell_len(Text.from_ansi(line).plain) > columns] == []
    if columns >= 60 and rows >= 24:
        text = "\n".join(_plain(_show(FULL, columns=columns, rows=rows)))
        for word in ("COMPLETED_SUCCESS", "FAILED", "1 h 30 min", "42 %", "9563643080010561", "since 13:00"):
            assert word in text or (word == "since 13:00" and columns >= 118), word


def _with(page: Page, trouble: Trouble) -> Page:
    return Page(
        page.environment, going_on=page.going_on, jobs=page.jobs, seen=75.0, trouble=trouble, next_look=9.0
    )


def test_a_wide_terminal_has_a_line_for_each_run() -> None:
    """With all that is known of it."""
    lines = _plain(_show(FULL, columns=150))
    (line,) = (line for line in lines if "9563643080010561" in line)
    for word in (ERP, "RUNNING", "42 %", "1 h 30 min", "late, usually 20 min 00 s", "13:00", "exl_api"):
        assert word in line


def test_where_there_is_no_room_the_rest_is_counted() -> None:
    """A line each, and each part has its share; details are left out before runs are."""
    many = tuple(GoingOn(_run(number), 300.0 + number, 1200) for number in range(40))
    page = Page("sandbox", going_on=many, unclear=FULL.unclear, ended=FULL.ended * 9, jobs=88, asked=88)
    lines = _plain(_show(page, rows=24))
    assert len(lines) == 24
    assert "" not in lines
    assert [line for line in lines if line.startswith("  and")] == ["  and 32 more", "  and 20 more"]
    assert sum(ERP[:20] in line for line in lines) == 8 + 1 + 7
    assert not any("since" in line for line in lines)


def test_while_alma_is_down_the_page_says_so() -> None:
    """Since when, why, when it tries again; what was seen stays."""
    trouble = Trouble(Unreachable("No connection to alma.example could be made."), 184)
    page = Page("sandbox", going_on=FULL.going_on, jobs=88, asked=88, seen=190, trouble=trouble, next_look=40)
    lines = _plain(_show(page))
    assert lines[2:4] == [
        "No news from Alma since 14:26 (3 min 10 s).",
        "No connection to alma.example could be made.",
    ]
    assert any(ERP in line for line in lines)
    assert lines[-1].endswith("tries again in 40 s")
    never = Trouble(Unreachable("There is no key.", hint="Type: almajob config set-key lab\nOr another."), 2)
    assert _plain(_show(Page("lab", trouble=never)))[3:5] == [
        "There is no key.",
        "Type: almajob config set-key lab",
    ]


def test_before_anything_was_seen_the_page_says_how_far_it_is() -> None:
    """And does not claim that nothing runs."""
    assert _plain(_show(Page("sandbox")))[1:3] == [
        " sandbox  0 running, the list of jobs is being read",
        "No run has been found so far.",
    ]
    asking = _plain(_show(Page("sandbox", jobs=1439, asked=12)))
    assert asking[1:3] == [" sandbox  0 running, 12 of 1,439 jobs seen", "No run has been found so far."]
    assert asking[-1].endswith("looking")
    assert _plain(_show(Page("sandbox", jobs=88, asked=88)))[2] == "Nothing runs."
    assert _plain(_show(Page("sandbox", jobs=0)))[2] == "No job matches."


def test_names_cannot_steer_the_terminal() -> None:
    """Nor look like another one, nor be markup."""
    evil = "A\x1b[2J\u202ejob\n[red]x"
    going_on = (GoingOn(_run(1, "RUN\x1b[1mNING", evil, by="e\x07l"), 1.0),)
    page = Page("s\x1b[31m", going_on=going_on, unclear=(_start(evil),), ended=(_run(2, "FAILED", evil),))
    lines = _show(page, columns=110, message="Job \x1b]0;x\x07")
    text = "\n".join(_plain(lines))
    assert text.count(r"A\x1b[2J\u202ejob\n[red]x") == 3
    for word in (r"RUN\x1b[1mNING", r"by e\x07l", r" s\x1b[31m ", r"Job \x1b]0;x\x07"):
        assert word in text
    assert "\u202e" not in text
    assert "\x07" not in "".join(lines)


def test_production_and_bad_ends_are_in_colour_and_only_where_wanted() -> None:
    """Without colours all is said in words."""
    page = Page("production", is_production=True, ended=FULL.ended, jobs=1, asked=1)
    coloured = "".join(_show(page, no_color=False))
    assert "41m production" in coloured
    assert "\x1b[31mFAILED" in coloured
    assert not any(f"[{code}m" in "".join(_show(page)) for code in (31, 32, 33, 36, 41))


def test_several_environments_are_below_each_other() -> None:
    """Each with a line of its own."""
    other = Page("production", is_production=True, going_on=FULL.going_on[:1], jobs=80, asked=80)
    lines = _plain(_show(FULL, other, rows=30))
    tops = [number for number, line in enumerate(lines) if line.startswith((" sandbox ", " production "))]
    assert len(tops) == 2
    assert sum(line == "Running" for line in lines) == 2
