"""Opens pages of runs in headless Chromium and does with them what a person would.

usage: browser.py FOLDER [--screenshot FILE]

FOLDER holds what tests/simulation/pictures.rs leaves: passed.html, failed.html, hostile.html and
long.html. Exits 1 at the first thing that is not so. CHROMIUM names another program than
/usr/bin/chromium.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import time

from playwright.sync_api import sync_playwright

STEP_MILLISECONDS_MAX = 50
STEPS = 60
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run"]


def check(truth, what):
    if not truth:
        raise SystemExit(f"not so: {what}")


class Pages:
    """Opens one page after the other and watches what each does behind the scenes."""

    def __init__(self, browser, folder):
        self.browser = browser
        self.folder = folder

    def open(self, name, **options):
        self.complaints, self.requests = [], []
        options.setdefault("viewport", {"width": 1440, "height": 900})
        page = self.browser.new_context(**options).new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        begin = time.perf_counter()
        page.goto((self.folder / name).as_uri())
        page.wait_for_selector("#state table")
        self.loaded = time.perf_counter() - begin
        self.data = json.loads(page.locator("#data").text_content())
        return page

    def close(self, page):
        """Nothing was said, nothing but the file was asked for."""
        check(self.complaints == [], f"the console is silent: {self.complaints}")
        check(len(self.requests) == 1 and self.requests[0].startswith("file:"),
              f"the page needs nothing else: {self.requests}")
        page.context.close()


def number_of(page):
    """The number of the chosen event, as the panel tells it."""
    return int(re.match(r"event (\d+) of", page.inner_text("#event .where")).group(1))


def keys_after(data, number):
    """The keys of the hub's tables after an event, by its number from 1 on."""
    tables = {"sessions": set(), "addresses": set(), "topics": set()}
    for event in data["events"][:number]:
        if event["kind"] == "start":
            for keys in tables.values():
                keys.clear()
        for table, rows in event.get("hub", {}).get("touched", {}).items():
            for key, row in rows.items():
                (tables[table].discard if row is None else tables[table].add)(key)
    return tables


def keys_shown(page):
    """The same, as the state panel shows them."""
    shown = {}
    for table in ("sessions", "addresses", "topics"):
        cells = page.locator(f"#{table} tbody tr:not(.before) td:nth-child(2)")
        keys = [key for key in cells.all_text_contents() if key]
        shown[table] = {key[1:] if table == "sessions" else key for key in keys}
    return shown


def a_page_shows_lanes_and_steps(pages):
    page = pages.open("passed.html")
    names = page.locator("#heads text.lane").evaluate_all("all => all.map(one => one.dataset.lane)")
    check(names == [lane["name"] for lane in pages.data["lanes"]], f"all lanes are shown: {names}")
    check({"hub", "alice", "alice#1.1", "bob", "bob#1.1"} <= set(names), f"they have names: {names}")
    check(page.locator("#violation").is_hidden(), "a run that passed breaks nothing")

    check(number_of(page) == 1, "the first event is chosen")
    page.keyboard.press("ArrowRight")
    check(number_of(page) == 2, "the right arrow steps on")
    page.keyboard.press("ArrowLeft")
    check(number_of(page) == 1, "the left arrow steps back")

    seen = []
    for _ in range(12):
        page.keyboard.press("ArrowDown")
        event = pages.data["events"][number_of(page) - 1]
        check(event["kind"] == "hub", "the down arrow stops at inputs of the hub")
        seen.append(page.inner_text("#state"))
    check(len(set(seen)) == len(seen), "each input changes the state panel")
    check(page.locator("#sessions tr.after").count() > 0, "changed rows are marked")
    check("@(" in page.inner_text("#addresses"), "the registry has addresses")
    page.keyboard.press("End")
    check(number_of(page) > 2_000, "End goes to the end")
    for _ in range(150):
        page.keyboard.press("ArrowUp")
        if number_of(page) % 7 == 0:
            truth, shown = keys_after(pages.data, number_of(page)), keys_shown(page)
            check(shown == truth, f"the state at {number_of(page)} is {truth}, not {shown}")
    pages.close(page)


def a_click_opens_what_is_there(pages):
    page = pages.open("passed.html")
    arrow = page.locator("#lines g[data-output]:has(path.own)").first
    source = int(arrow.get_attribute("data-event"))
    arrow.locator("path.wide").dispatch_event("click")
    check(number_of(page) == source + 1, "a click on an arrow chooses the event that it leaves")
    envelope = page.inner_text("#event details[open] pre.envelope")
    check(json.loads(envelope)["type"].startswith("hub:"), "and shows its envelope")
    page.locator("#event .outputs button").first.click()
    check(number_of(page) > source + 1, "the arrow can be followed")
    check(json.loads(page.inner_text("#event > pre.envelope"))["id"], "to the same envelope")
    page.locator("#timed").click()
    page.locator("#closer").click()
    check(page.locator("#lines g.row").count() > 0, "distances can be those of time")
    pages.close(page)


def the_filter_hides_what_is_not_wanted(pages):
    page = pages.open("passed.html")
    page.locator("#actor-menu summary").click()
    page.locator("#actors button", has_text="none").click()
    page.locator("#actors label", has_text="alice").locator("input").check()
    page.locator("#type-menu summary").click()
    page.locator("#types button", has_text="none").click()
    page.locator("#types label", has_text="hub:subscribe (").locator("input").check()
    page.keyboard.press("Escape")
    page.locator("#picture").focus()
    page.keyboard.press("Home")
    events, found = pages.data["events"], 0
    alice = pages.data["actors"].index("alice")
    before = None
    while before != (before := number_of(page)):
        event = events[before - 1]
        check("hub:subscribe" in event["types"] and alice in event["actors"], f"{event}")
        found += 1
        page.keyboard.press("ArrowRight")
    check(found > 4, f"what is wanted stays: {found}")
    drawn = page.locator("#lines g.row").count()
    check(0 < drawn <= found, f"only that is drawn: {drawn} of {found}")
    pages.close(page)


def a_failure_says_what_broke_where(pages, screenshot):
    page = pages.open("failed.html", viewport={"width": 1360, "height": 780})
    banner = page.inner_text("#violation")
    broken = pages.data["violation"]
    check(all(broken[key] in banner for key in ("invariant", "sentence", "evidence")), banner)
    last = len(pages.data["events"])
    check(number_of(page) == last, "a failure opens at its event")
    check(broken["invariant"] in page.text_content("#lines g.violated text.said"), "which is marked")
    page.keyboard.press("Home")
    page.locator("#show-violation").click()
    check(number_of(page) == last, "and found again")
    if screenshot:
        page.locator("#state").evaluate("state => state.scrollIntoView()")
        page.screenshot(path=screenshot)
    pages.close(page)


def hostile_data_is_only_shown(pages):
    for scheme in ("light", "dark"):
        page = pages.open("hostile.html", color_scheme=scheme)
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        for _ in range(40):
            page.keyboard.press("ArrowRight")
        check(page.locator("img").count() == 0, "data makes no elements")
        check("owned" != page.title(), "data runs no program")
        check("</script><img" in page.inner_text("#title"), "data is shown as it is")
        pages.close(page)


def many_events_step_without_lag(pages, name, at_least):
    page = pages.open(name)
    count = len(pages.data["events"])
    check(count >= at_least, f"{count} events")
    times = []
    for key in ["ArrowRight"] * STEPS + ["End"] + ["ArrowLeft"] * STEPS:
        times.append(page.evaluate("""key => new Promise(done => {
            const begin = performance.now();
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
            document.body.getBoundingClientRect();
            requestAnimationFrame(() => done(performance.now() - begin));
        })""", key))
    median, most = statistics.median(times), max(times)
    print(f"{name}: {count} events, opened in {pages.loaded:.2f} s, a step takes {median:.1f} ms "
          f"in the median, {most:.1f} ms at most")
    check(median < STEP_MILLISECONDS_MAX, f"a step takes less than {STEP_MILLISECONDS_MAX} ms")
    pages.close(page)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--screenshot", help="writes the picture of the failure to this file")
    given = arguments.parse_args()
    with sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        pages = Pages(browser, given.folder.resolve())
        a_page_shows_lanes_and_steps(pages)
        a_click_opens_what_is_there(pages)
        the_filter_hides_what_is_not_wanted(pages)
        a_failure_says_what_broke_where(pages, given.screenshot)
        hostile_data_is_only_shown(pages)
        many_events_step_without_lag(pages, "passed.html", 2_000)
        many_events_step_without_lag(pages, "long.html", 20_000)
        browser.close()
    print("the pages are what they should be")


if __name__ == "__main__":
    main()
