"""The dashboard in a real browser: every page shows what the store holds, live, and nothing of a device is markup."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from iotrules.model.times import SECOND
from tests.dashboard.conftest import beating, dashboard
from tests.dashboard.seed import HOSTILE, HOT, IMAGE, SCRIPT, Seed, key_of

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[Seed, str]]:
    """A seeded store that an engine keeps writing to, hostile names in it, and a dashboard on it."""
    assert browser.is_connected()  # asked for first: without Chromium nothing is started
    seed = Seed(tmp_path_factory.mktemp("live")).create(hostile=True)
    with beating(seed), dashboard(seed.store) as address:
        yield seed, address


def device_address(address: str, key: str, more: str = "") -> str:
    return f"{address}/device?key={quote(key)}{more}"


def test_alerts_are_listed_worst_first_with_their_cause(live: tuple[Seed, str], page: Page) -> None:
    page.goto(live[1])
    table = page.get_by_role("table", name="Active alerts")
    row = table.get_by_role("row", name=re.compile("boiler-07.*boiler-overheat"))
    expect(row).to_contain_text("critical")
    expect(row).to_contain_text("firing")
    expect(row).to_contain_text("boiler-07 is at 91.2 °C")
    expect(row).to_contain_text("temp 91.2 > 85 for 2m")
    words = [re.split(r"\s+", text.strip("◆▲●○ \n"))[0] for text in table.get_by_role("row").all_inner_texts()[1:]]
    assert sorted(words, key=["critical", "major", "minor", "info"].index) == words
    expect(page.get_by_role("table", name="Recently resolved")).to_contain_text("boiler-02 is at 71.8 °C")


def test_header_counts_severities_and_states(live: tuple[Seed, str], page: Page) -> None:
    page.goto(live[1])
    counts = page.get_by_role("list", name="active alerts")
    expect(counts).to_contain_text(re.compile(r"▲\s*2\s*major"))
    expect(counts).to_contain_text(re.compile(r"1\s*pending"))
    expect(page.get_by_text(re.compile(r"live, last message \d"))).to_be_visible()


def test_a_new_transition_appears_while_the_page_is_open(live: tuple[Seed, str], page: Page) -> None:
    seed, address = live
    key = key_of("south", "boiler-48")
    page.goto(address)
    expect(page.get_by_role("table", name="Active alerts")).not_to_contain_text("boiler-48")
    now = time.time_ns()
    seed.transition("boiler-warm", key, "pending", "firing", "major", now, summary="boiler-48 is at 76.1 °C")
    expect(page.get_by_role("table", name="Active alerts")).to_contain_text("boiler-48 is at 76.1 °C")
    seed.transition("boiler-warm", key, "firing", "resolved", "major", now, summary="boiler-48 is at 70.0 °C")
    expect(page.get_by_role("table", name="Recently resolved")).to_contain_text("boiler-48 is at 70.0 °C")
    expect(page.get_by_role("table", name="Active alerts")).not_to_contain_text("boiler-48")


def test_a_row_leads_to_its_device(live: tuple[Seed, str], page: Page) -> None:
    page.goto(live[1])
    page.get_by_role("table", name="Active alerts").get_by_role("link", name="boiler-31").click()
    expect(page.get_by_role("heading", name="boiler-31", level=1)).to_be_visible()


def test_fleet_is_one_canvas_with_words_for_those_who_cannot_see_it(live: tuple[Seed, str], page: Page) -> None:
    page.goto(f"{live[1]}/fleet")
    grid = page.get_by_role("img", name=re.compile("53 devices on 2 sites.*1 locked"))
    expect(grid).to_be_visible()
    assert page.locator("canvas").count() == 1
    grid.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status")).to_contain_text("north")
    page.keyboard.press("t")
    table = page.get_by_role("table", name="devices")
    expect(table.get_by_role("row", name=re.compile("boiler-13"))).to_contain_text("offline")
    expect(table.get_by_role("row", name=re.compile("boiler-07"))).to_contain_text("stopped, locked")
    expect(table.get_by_role("row", name=re.compile("boiler-00"))).to_contain_text("ok")


def test_a_click_in_the_fleet_opens_the_device(live: tuple[Seed, str], page: Page) -> None:
    page.goto(f"{live[1]}/fleet")
    grid = page.get_by_role("img", name=re.compile("devices on 2 sites"))
    expect(grid).to_be_visible()
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + box["height"] - 40)
    expect(page).to_have_url(re.compile(r"/device\?key="))
    expect(page.get_by_role("heading", level=1)).to_contain_text("boiler-")


def test_device_shows_reading_state_commands_and_transitions(live: tuple[Seed, str], page: Page) -> None:
    page.goto(device_address(live[1], HOT))
    expect(page.get_by_role("region", name="Reading")).to_contain_text(re.compile(r"temp\s*91.2"))
    expect(page.get_by_role("region", name="Persisted state")).to_contain_text(re.compile(r"trips\s*2"))
    commands = page.get_by_role("table", name="Commands")
    expect(commands.get_by_role("row", name=re.compile("shutdown"))).to_contain_text("succeeded")
    expect(commands.get_by_role("row", name=re.compile("fan_high"))).to_contain_text("no answer within 10s")
    expect(page.get_by_role("table", name="Transitions")).to_contain_text("fan of boiler-07 turns again")
    expect(page.get_by_role("list", name="active alerts of this device")).to_contain_text("boiler-overheat")


def test_chart_has_thresholds_and_follows_new_samples(live: tuple[Seed, str], page: Page) -> None:
    seed, address = live
    page.goto(device_address(address, HOT, "&field=temp&minutes=5"))
    chart = page.get_by_role("img", name=re.compile(r"temp over 5 minutes"))
    expect(chart).to_have_attribute("aria-label", re.compile("boiler-overheat > 85, boiler-warm > 75"))
    expect(chart.locator("canvas")).to_be_visible()
    seed.samples(HOT, [(time.time_ns() + 2 * SECOND, 123.5)])
    expect(chart).to_have_attribute("aria-label", re.compile(r"now 123\.5"))


@pytest.mark.parametrize(
    "path", ["/", "/fleet", "/fleet#table", *(f"/device?key={quote(key_of('north', name))}" for name in HOSTILE)]
)
def test_names_of_devices_are_text_and_never_markup(live: tuple[Seed, str], page: Page, path: str) -> None:
    page.goto(live[1] + path)
    if path == "/fleet":
        expect(page.get_by_role("img", name=re.compile("53 devices"))).to_be_visible()
        page.get_by_role("button", name="table view").click()
    shown = [name for name in HOSTILE if quote(key_of("north", name)) in path] or [IMAGE, SCRIPT]
    for name in shown:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    assert page.locator("img").count() == 0
    scripts = page.evaluate("[...document.scripts].filter((s) => /alert\\(\\d\\)/.test(s.textContent)).length")
    assert scripts == 0


def test_an_unknown_device_is_said_to_be_unknown(live: tuple[Seed, str], page: Page) -> None:
    for key in (key_of("north", "nobody"), "no json", ""):
        page.goto(device_address(live[1], key))
        expect(page.get_by_text("Nothing is known of this device.")).to_be_visible()


def test_pages_state_their_language_and_fit_a_telephone(live: tuple[Seed, str], browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for path, first in (("/", "table"), ("/fleet", "canvas"), (f"/device?key={quote(HOT)}", "canvas")):
        page.goto(live[1] + path)
        expect(page.locator(first).first).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "en-US"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.close()


def test_dark_mode_follows_the_readers_system(live: tuple[Seed, str], browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(live[1])
    expect(page.locator("body")).to_have_css("background-color", "rgb(20, 23, 28)")
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    page.close()


def test_no_alerts_tells_silence_from_deafness(tmp_path: Path, page: Page) -> None:
    seed = Seed(tmp_path).create(quiet=True)
    with beating(seed), dashboard(seed.store) as address:
        page.goto(address)
        expect(page.get_by_text("No alerts.")).to_be_visible()
        expect(page.get_by_text(re.compile(r"Last message \d+\.\d s ago; 50 devices"))).to_be_visible()


def test_a_silent_engine_and_a_vanished_store_are_told(tmp_path: Path, page: Page) -> None:
    seed = Seed(tmp_path).create(age=23 * SECOND)
    with dashboard(seed.store) as address:
        page.goto(address)
        banner = page.get_by_role("alert")
        expect(banner).to_contain_text(re.compile(r"engine silent for \d\d s"))
        expect(page.get_by_role("table", name="Active alerts")).to_contain_text("boiler-07")
        seed.beat(time.time_ns())
        expect(banner).to_have_count(0)
        for file in tmp_path.glob("store.db*"):
            file.unlink()
        expect(banner).to_contain_text("there is no store at")
        Seed(tmp_path).create(quiet=True)
        expect(page.get_by_text("No alerts.")).to_be_visible()
        expect(banner).to_have_count(0)


def test_a_dashboard_waits_for_its_store_and_says_when_it_dies(tmp_path: Path, page: Page) -> None:
    with dashboard(tmp_path / "store.db") as address:
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text("there is no store at")
        expect(page.get_by_text("No alerts.")).to_have_count(0)
        seed = Seed(tmp_path).create()
        expect(page.get_by_role("table", name="Active alerts")).to_contain_text("boiler-07")
        seed.beat(time.time_ns())
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"connection to the dashboard lost \d"))
