"""The page of ``almajob report`` in a real browser: for everybody, on any screen, whatever a job's name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from almajob.jobs.history import Period
from almajob.report.facts import build_facts
from almajob.report.page import render
from tests.support.reported_runs import HEBREW, HOSTILE, NAMES, NOW, SCRIPT, make_facts

pytestmark = pytest.mark.browser
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

SCHEMES = ("light", "dark")
WIDTHS = (390, 1280)
Open = Callable[..., Page]


class Heard(NamedTuple):
    """What a page asked for, and what it said."""

    asked: list[str]
    said: list[str]


def _make_pages() -> dict[str, str]:
    empty = build_facts(
        name="sandbox", kind="", now=NOW, zone=None, period=Period(NOW - timedelta(1)), runs=()
    )
    both = [make_facts(60, (*HOSTILE, *NAMES[:6])), make_facts(40, name="sandbox")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("almajob.report.page.MOST_RUNS", 100)
        grouped = render([make_facts(600, NAMES[:6], days=60)])
    return {
        "month": render([make_facts(300)]),
        "both": render(both),
        "empty": render([empty]),
        "filtered": render([make_facts(60, filters=("--passed no",))]),
        "grouped": grouped,
    }


PAGES = _make_pages()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or pytest.fail("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture
def heard() -> Heard:
    return Heard([], [])


@pytest.fixture
def show(browser: Browser, tmp_path: Path, heard: Heard) -> Iterator[Open]:
    """Open a page as a file, without a network, and listen."""
    contexts = []

    def open_page(
        name: str, *, scheme: Any = "light", width: int = 1280, html: str = "", **more: Any
    ) -> Page:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("request", lambda request: heard.asked.append(request.url))
        page.on("console", lambda message: heard.said.append(message.text))
        page.on("pageerror", lambda error: heard.said.append(str(error)))
        page.on("dialog", lambda dialog: heard.said.append(dialog.message))
        path = tmp_path / f"{name}.html"
        path.write_text(html or PAGES[name], "utf-8")
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def _open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def _list_violations(page: Page) -> dict[str, int]:
    found = Axe().run(page).response["violations"]
    return {each["id"]: len(each["nodes"]) for each in found}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_it(show: Open, name: str, scheme: str, width: int) -> None:
    """No rule of axe-core is broken, best practices among them, with all that can be opened open."""
    page = show(name, scheme=scheme, width=width)
    if directory := os.environ.get("PYTEST_SCREENSHOTS"):
        page.screenshot(path=f"{directory}/{name}-{scheme}-{width}.png", full_page=True)
    _open_all(page)
    assert _list_violations(page) == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_what_is_wrong(show: Open, scheme: str) -> None:
    """One grey a little nearer to the paper, a table without headings, and no language: each is found."""
    grey = {"light": "#5f5b53", "dark": "#a9a59b"}[scheme]
    near = {"light": "#a9a59b", "dark": "#5f5b53"}[scheme]
    assert grey in PAGES["month"]
    html = PAGES["month"].replace(grey, near).replace('<html lang="en">', "<html>")
    html = html.replace("style-src", "style-src 'unsafe-inline'; x-src")
    assert {"color-contrast", "html-has-lang"} <= set(
        _list_violations(show("wrong", scheme=scheme, html=html))
    )


@pytest.mark.parametrize("name", PAGES)
def test_it_asks_for_nothing_and_says_nothing(show: Open, heard: Heard, name: str) -> None:
    """Nothing is requested but the file itself, no message is in the console, no script is in it."""
    page = show(name)
    _open_all(page)
    page.wait_for_load_state("networkidle")
    assert heard.asked == [page.url]
    assert heard.said == []
    assert page.locator("script, img, iframe, object, link[rel=stylesheet], [onerror], [style]").count() == 0


def test_the_policy_forbids_scripts_and_requests(show: Open) -> None:
    """Though somebody puts them into the page: neither runs, and each is told as a violation."""
    page = show("month")
    found = page.evaluate(
        """async () => {
            const told = [];
            document.addEventListener('securitypolicyviolation', each => told.push(each.effectiveDirective));
            for (const [name, set] of [
                ['script', each => each.textContent = 'window.ran = true'],
                ['img', each => each.src = 'https://evil.example/x.png'],
                ['style', each => each.textContent = 'body { display: none }'],
            ]) {
                const made = document.createElement(name);
                set(made);
                document.body.append(made);
            }
            await new Promise(done => setTimeout(done, 200));
            return [told.sort(), window.ran ?? null, getComputedStyle(document.body).display];
        }"""
    )
    assert found == [["img-src", "script-src-elem", "style-src-elem"], None, "block"]


def test_hostile_names_are_text(show: Open) -> None:
    """Tags, templates and marks that turn the reading order are shown, and do nothing."""
    page = show("both")
    shown = page.locator("main").inner_text()
    for name in (SCRIPT, HOSTILE[1], "{{ 7 * 7 }}{% raw %}", r"\u202etxt.exe\u202c", r"\x1b[31m\x00"):
        assert name in shown
    assert not set("\u202e\u202c\u2066\x1b\x00") & set(page.content())


def test_names_from_right_to_left_stay_among_themselves(show: Open) -> None:
    """A Hebrew name is read from the right, and what stands beside it stays where it is."""
    page = show("month")
    name = page.locator(".runs summary bdi", has_text=HEBREW)
    assert name.evaluate("each => getComputedStyle(each).direction") == "rtl"
    beside = name.locator("xpath=following-sibling::*[1]")
    left, right = name.bounding_box(), beside.bounding_box()
    assert left is not None and right is not None
    assert left["x"] < right["x"]


@pytest.mark.parametrize("width", [320, *WIDTHS, 1920, 3840])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_any_screen(show: Open, name: str, width: int) -> None:
    """Nothing is wider than the screen, from a phone to a wall."""
    page = show(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_light_or_dark(show: Open) -> None:
    """As the reader's system is."""
    bright = [
        page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        for page in (show("month", scheme=scheme) for scheme in SCHEMES)
    ]
    values = [sum(map(int, text[4:-1].split(","))) for text in bright]
    assert values[0] > 700 > 100 > values[1]


def test_it_is_used_with_the_keyboard(show: Open) -> None:
    """The first stop leads past the contents; what can be opened opens, and where one is can be seen."""
    page = show("month")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    closed = page.locator("details.runs").first
    closed.locator("summary").focus()
    page.keyboard.press("Enter")
    assert closed.evaluate("each => each.open")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "scroll"


def test_paper_has_all(show: Open) -> None:
    """What is closed on a screen is printed, dark colours are not, and a page is a page."""
    page = show("month", scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    table = page.locator("details.runs:not([open]) table").first
    box = table.bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(29, 28, 26)"
    assert page.pdf(format="A4").startswith(b"%PDF")
