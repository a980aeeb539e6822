"""What the page of ``almajob top`` looks like: the facts in, lines for Rich to print out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from almajob.cli.console.progress import find_progress
from almajob.output.columns import StartState, Status, Tone
from almajob.runs.run import Run
from almajob.runs.top.page import GoingOn, Page
from almajob.store.ledger.record import Record
from almajob.text import time_format
from almajob.text.display_width import wrap_text
from almajob.text.sanitize import sanitize

_STYLES = {Tone.GOOD: "green", Tone.WARNING: "yellow", Tone.BAD: "red", Tone.RUNNING: "cyan"}
_WIDE = 118
_NARROW = 76
# The cells of a bar, a Process ID, a length of time, and at most of who submitted a run.
_BAR, _ID, _LENGTH, _SUBMITTER = 10, 16, 11, 14
_FEWEST_ENDED = 3


class Moment(NamedTuple):
    """When a page is drawn.

    Attributes:
        now: seconds since the epoch.
        in_utc: whether times are shown in UTC instead of this machine's zone.
    """

    now: float
    in_utc: bool = False

    def write(self, moment: datetime) -> str:
        """Write a time as short as it can be: of today without the day."""
        zone = UTC if self.in_utc else None
        try:
            shown, today = moment.astimezone(zone), datetime.fromtimestamp(self.now, UTC).astimezone(zone)
        except (OverflowError, ValueError):
            return time_format.format_utc(moment)
        return f"{shown:%H:%M}" if shown.date() == today.date() else f"{shown:%Y-%m-%d %H:%M}"

    def write_seconds(self, seconds: float) -> str:
        """Write a moment, in seconds since the epoch."""
        return self.write(datetime.fromtimestamp(seconds, UTC))


class _Section(NamedTuple):
    """A part of a page: a heading, and rows of a line each."""

    heading: Text
    rows: Sequence[RenderableType]


def print_lines(console: Console, page: RenderableType, columns: int, rows: int) -> list[str]:
    """Return the lines of a page, as many as there is room for."""
    with console.capture() as captured:
        console.print(page, width=columns, no_wrap=True, overflow="ellipsis", crop=True)
    return captured.get().splitlines()[:rows]


def render(
    pages: Sequence[Page], columns: int, rows: int, moment: Moment, message: str = ""
) -> RenderableType:
    """Make the whole of what is seen.

    Args:
        pages: of the environments, at least one.
        columns, rows: for which there is room.
        message: what was logged last; empty for nothing.
    """
    tops = [_make_top(page, columns, moment) for page in pages]
    bottom: list[RenderableType] = [_line(sanitize(message), "yellow")] if message else []
    bottom.append(_make_bottom(pages))
    room = rows - 1 - len(bottom) - sum(map(len, tops))
    has_details = columns < _WIDE and sum(map(_count_rows, pages)) <= room
    sections = [_make_sections(page, columns, moment, has_details=has_details) for page in pages]
    shares = _share(room, [len(section.rows) for section in chain.from_iterable(sections)])
    shown = [
        _cut(section, share) for section, share in zip(chain.from_iterable(sections), shares, strict=True)
    ]
    gap = [Text("")] if room - sum(map(len, shown)) >= sum(map(bool, shown)) else []
    lines: list[RenderableType] = [_spread(Text("almajob top", style="bold"), _now(moment))]
    rest = iter(shown)
    for top, found in zip(tops, sections, strict=True):
        lines += top
        for section in islice(rest, len(found)):
            lines += [*gap, *section] if section else []
    # The last line is the last of the terminal.
    above = max(rows - len(bottom), 0)
    return Group(*lines[:above], *[Text("")] * (above - len(lines)), *bottom)


def _cut(section: _Section, share: int) -> list[RenderableType]:
    """Return a section with so many rows; the last one counts those that have no room."""
    if share >= len(section.rows):
        return [section.heading, *section.rows] if share else []
    more = len(section.rows) - share + 1
    return [section.heading, *section.rows[: share - 1], _line(f"  and {more} more", "dim")] if share else []


def _share(room: int, wanted: Sequence[int]) -> list[int]:
    """Share lines among sections, each with a heading: those that want few get all, the others the rest.

    Where there is no room for all of them, the first ones count most.
    """
    shares = [0] * len(wanted)
    for place, rows in enumerate(wanted):
        if rows and room >= 2:
            shares[place] = 1
            room -= 2
    while room > 0 and (growing := [place for place, rows in enumerate(wanted) if 0 < shares[place] < rows]):
        for place in growing[:room]:
            shares[place] += 1
        room -= min(room, len(growing))
    return shares


def _count_rows(page: Page) -> int:
    """Count the lines of a page's sections with two for each run that goes on, and few ended ones."""
    wanted = (2 * len(page.going_on), len(page.unclear), min(len(page.ended), _FEWEST_ENDED))
    return sum(rows + 1 for rows in wanted if rows)


def _make_sections(page: Page, columns: int, moment: Moment, *, has_details: bool) -> list[_Section]:
    return [
        _Section(_heading("Running"), _make_running(page.going_on, columns, moment, has_details=has_details)),
        _Section(
            _heading("Unknown whether started", "almajob runs settle looks again"),
            _make_unclear(page.unclear, columns, moment),
        ),
        _Section(_heading("Ended"), _make_ended(page.ended, columns, moment)),
    ]


# The top and the bottom.


def _make_top(page: Page, columns: int, moment: Moment) -> list[Text]:
    name = Text(
        f" {sanitize(page.environment)} ", style="bold white on red" if page.is_production else "reverse"
    )
    lines = [Text.assemble(name, " ", _count(page), no_wrap=True, overflow="ellipsis")]
    if page.trouble is not None:
        lines += _describe_trouble(page, columns, moment)
    if page.ledger_problem:
        lines.append(_line(f"Starts from here may be outdated: {sanitize(page.ledger_problem)}", "yellow"))
    if page.is_thrifty:
        lines.append(_line("Few API calls are left for today, so almajob looks less often.", "yellow"))
    if page.trouble is None and not (page.going_on or page.unclear):
        is_complete = page.jobs is not None and page.asked >= page.jobs
        found = "Nothing runs." if is_complete else "No run has been found so far."
        lines.append(_line(found if page.jobs != 0 else "No job matches.", "dim"))
    return lines


def _count(page: Page) -> str:
    running = len(page.going_on)
    late = sum(each.is_late for each in page.going_on)
    texts = [f"{running} running" + (f" ({late} late)" if late else "")]
    if page.unclear:
        texts.append(f"{len(page.unclear)} not clear")
    if page.ended:
        bad = sum(run.passed is False for run in page.ended)
        texts.append(f"{len(page.ended)} ended" + (f" ({bad} badly)" if bad else ""))
    if page.calls_left is not None:
        texts.append(f"{page.calls_left:,} calls left")
    if page.jobs is None:
        texts.append("the list of jobs is being read" if page.trouble is None else "no list of jobs yet")
    elif page.asked < page.jobs:
        texts.append(f"{page.asked:,} of {page.jobs:,} job{'s' if page.jobs != 1 else ''} seen")
    else:
        texts.append(f"{page.jobs:,} job{'s' if page.jobs != 1 else ''}")
    return ", ".join(texts)


def _describe_trouble(page: Page, columns: int, moment: Moment) -> list[Text]:
    """Return what a person reads while Alma cannot be asked: since when, why, and of when the page is."""
    assert page.trouble is not None
    error, seconds = page.trouble
    since = moment.write_seconds(moment.now - (seconds if page.seen is None else page.seen))
    how_long = time_format.format_duration(math.floor(seconds if page.seen is None else page.seen))
    lines = [
        _line(f"No news from Alma since {since} ({how_long}).", "bold red"),
        *_wrap(sanitize(error.message), columns, 2, "red"),
    ]
    hint = "" if page.seen is not None else error.hint.partition("\n")[0]
    return [*lines, *(_wrap(sanitize(hint), columns, 1, "red") if hint else [])]


def _make_bottom(pages: Sequence[Page]) -> RenderableType:
    rests = [page.next_look for page in pages]
    waiting = [rest for rest in rests if rest is not None]
    if len(waiting) < len(rests) or min(waiting) <= 0:
        look = "looking"
    else:
        word = "tries again" if any(page.trouble for page in pages) else "next look"
        look = f"{word} {time_format.format_ago(-math.ceil(min(waiting)))}"
    return _spread(Text("q leaves; the jobs go on", style="dim"), Text(look, style="dim"))


def _now(moment: Moment) -> Text:
    shown = datetime.fromtimestamp(moment.now, UTC)
    shown = shown if moment.in_utc else time_format.to_local(moment.now)
    return Text(f"{shown:%H:%M:%S}{' UTC' if moment.in_utc else ''}", style="dim")


def _spread(left: Text, right: Text) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_row(left, right)
    return table


def _heading(text: str, hint: str = "") -> Text:
    line = Text(text, style="bold", no_wrap=True, overflow="ellipsis")
    return line.append(f"  ({hint})", style="not bold dim") if hint else line


def _line(text: str, style: str = "") -> Text:
    return Text(" ".join(text.split("\n")), style=style, no_wrap=True, overflow="ellipsis")


def _wrap(text: str, columns: int, most: int, style: str) -> list[Text]:
    return [_line(piece, style) for piece in wrap_text(" ".join(text.split()), columns)[:most]]


# The rows.


def _make_row(cells: Sequence[RenderableType], widths: Sequence[int]) -> RenderableType:
    """Make a line of cells; the one with a width of 0 takes what is left, and is cut."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for width in widths:
        ratio = None if width else 1
        table.add_column(width=width or None, ratio=ratio, no_wrap=True, overflow="ellipsis")
    table.add_row(*cells)
    return table


def _make_running(
    going_on: Sequence[GoingOn], columns: int, moment: Moment, *, has_details: bool
) -> list[RenderableType]:
    status = max([9, *(len(_find_status(each.run)) for each in going_on)])
    since = max([5, *(len(_since(each.run, moment)) for each in going_on)])
    is_wide = columns >= _WIDE
    widths = [0, status, *([_BAR] if columns >= _NARROW else []), 5, _LENGTH]
    if is_wide:
        usual = max([0, *(len(_describe_usual(each)) for each in going_on)])
        by = max([0, *(len(_submitter(each.run)) for each in going_on)])
        widths += [max(usual, 1), since, min(max(by, 1), _SUBMITTER), _ID]
    rows: list[RenderableType] = []
    for each in going_on:
        done = find_progress(each.run.instance)
        cells: list[RenderableType] = [_name(each.run), _status(each.run)]
        if columns >= _NARROW:
            cells.append(ProgressBar(total=100, completed=done or 0, width=_BAR))
        cells += [_percent(done), _elapsed(each)]
        if is_wide:
            cells += [
                Text(_describe_usual(each), style="yellow" if each.is_late else "dim"),
                Text(_since(each.run, moment)),
                Text(_submitter(each.run), style="dim"),
                Text(sanitize(each.run.instance.id)),
            ]
        rows.append(_make_row(cells, widths))
        if has_details:
            rows.append(_line(f"  {_describe_details(each, moment)}", "dim"))
    return rows


def _make_unclear(records: Sequence[Record], columns: int, moment: Moment) -> list[RenderableType]:
    has_id = columns >= _NARROW
    ids = max([0, *(len(record.id) for record in records)])
    widths = [16 if has_id else 5, 0, 22, *([ids] if has_id else [])]
    rows = []
    for record in records:
        state, made = StartState(record.state.value), moment.write_seconds(record.created_at)
        cells = [
            Text(made if has_id else made[-5:], style="dim"),
            Text(sanitize(record.job_name or record.job_id)),
            Text(state.human_readable(), style=_STYLES[state.tone] if state.tone else ""),
        ]
        rows.append(_make_row([*cells, *([Text(sanitize(record.id))] if has_id else [])], widths))
    return rows


def _make_ended(runs: Sequence[Run], columns: int, moment: Moment) -> list[RenderableType]:
    has_id = columns >= _NARROW
    status = max([12, *(len(_find_status(run)) for run in runs)])
    widths = [5, 0, status, _LENGTH, *([_ID] if has_id else [])]
    rows = []
    for run in runs:
        end, seconds = run.instance.end_time, run.instance.seconds
        cells = [
            Text(moment.write(end)[-5:] if isinstance(end, datetime) else "", style="dim"),
            _name(run),
            _status(run),
            Text("" if seconds is None else time_format.format_duration(seconds)),
        ]
        rows.append(_make_row([*cells, *([Text(sanitize(run.instance.id))] if has_id else [])], widths))
    return rows


# What stands in a row.


def _name(run: Run) -> Text:
    job = run.instance.job
    return Text(sanitize((job.name if job else "") or run.instance.name))


def _find_status(run: Run) -> str:
    return sanitize(run.instance.status.value) or "not seen yet"


def _status(run: Run) -> Text:
    tone = Status(run.instance.status.value).tone
    if run.passed is not None:
        # By what counts as a good end here.
        tone = Tone.BAD if not run.passed else Tone.GOOD if tone is Tone.BAD else tone
    return Text(_find_status(run), style=_STYLES[tone] if tone else "")


def _percent(done: float | None) -> Text:
    return Text("" if done is None else f"{done:3.0f} %")


def _elapsed(each: GoingOn) -> Text:
    shown = "" if each.age is None else time_format.format_duration(math.floor(each.age))
    return Text(shown, style="bold yellow" if each.is_late else "")


def _since(run: Run, moment: Moment) -> str:
    begun = run.instance.submit_time
    return moment.write(begun) if isinstance(begun, datetime) else sanitize(begun or "")


def _describe_usual(each: GoingOn) -> str:
    usual = "" if each.usual is None else f"usually {time_format.format_duration(each.usual)}"
    return f"late, {usual}".rstrip(", ") if each.is_late else usual


def _submitter(run: Run) -> str:
    return sanitize(run.instance.submitted_by.value)


def _describe_details(each: GoingOn, moment: Moment) -> str:
    since, by = _since(each.run, moment), _submitter(each.run)
    texts = [
        sanitize(each.run.instance.id),
        f"since {since}" if since else "",
        _describe_usual(each),
        f"by {by}" if by else "",
    ]
    return "  ".join(filter(None, texts))
