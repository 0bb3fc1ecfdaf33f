"""Opens pages of runs in headless Chromium and does with them what a person would.

usage: browser.py FOLDER [--screenshot FILE]

FOLDER holds what tests/simulation/pictures.rs leaves: passed.html, failed.html, waits.html, pair.html,
hostile.html and long.html. Exits 1 at the first thing that is not so. CHROMIUM names another program than
/usr/bin/chromium.
"""

import argparse
import json
import os
import pathlib
import statistics

from playwright.sync_api import sync_playwright

import finds
import looks
from pages import Pages, check, check_changes, keys_after, keys_shown, number_of

# What a step may put into the page or change there, however many events the run has.
NODES_PER_STEP_MAX = 600
STEPS = 60
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run"]


def a_page_shows_lanes_and_steps(pages):
    page = pages.open("passed.html")
    names = page.locator("#heads text.lane").evaluate_all("all => all.map(one => one.dataset.lane)")
    check(sorted(names) == sorted(lane["name"] for lane in pages.data["lanes"]), f"all lanes are shown: {names}")
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
        seen.append(page.inner_text("#event"))
        check_changes(page, event)
    check(len(set(seen)) == len(seen), "each input changes the panel")
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


def a_failure_says_what_broke_where(pages, screenshot):
    page = pages.open("failed.html", viewport={"width": 1400, "height": 900})
    broken = pages.data["violation"]
    banner = page.inner_text("#violation")
    check(all(broken[key] in banner for key in ("invariant", "sentence", "evidence")), banner)
    whole = page.inner_text("body")
    check(whole.count(broken["sentence"]) == 1 == whole.count(broken["evidence"]), "each is said once")
    last = len(pages.data["events"])
    check(number_of(page) == last, "a failure opens at its event")
    check(page.text_content("#lines g.violated text.said").startswith("✗"), "which is marked")
    check(page.locator("#state table").count() == 0, "what it changed stands alone")
    check(page.locator("#explanation").is_hidden(), "a page without an explanation shows none")
    check_changes(page, pages.data["events"][-1])
    box = page.locator("#changed-addresses").bounding_box()
    check(box["y"] + box["height"] < 500, "and comes first")
    culprits = page.locator("#event td.culprit").all_text_contents()
    check("–" in culprits and len(culprits) == 2, f"the very cell is marked: {culprits}")
    under_way = page.locator("#event .outputs span.open").count()
    check(under_way > 0, "what leaves at the end is under way")
    if screenshot:
        page.screenshot(path=screenshot)
    page.locator("#state summary").click()
    # Its content is made once the browser has told that it is open, which may be after the click.
    page.locator("#state table").nth(2).wait_for()
    check(page.locator("#state table").count() == 3, "the whole state opens")
    page.keyboard.press("Home")
    page.locator("#show-violation").click()
    check(number_of(page) == last, "and the event is found again")
    pages.close(page)


def a_wait_in_vain_is_marked_where_it_began(pages):
    page = pages.open("waits.html")
    broken = pages.data["violation"]
    check(number_of(page) == broken["event"] + 1 < len(pages.data["events"]), "the page opens where it began")
    check(page.locator("#lines rect.wait").count() == 1, "it is a span")
    check("in vain for 20.0 s" in page.text_content("#lines"), "whose length is told")
    check(page.locator("#lines .lost").count() == 0, "nothing is lost")
    check(page.locator("#explanation pre").is_hidden(), "why it broke is told when asked for")
    page.locator("#explanation summary").click()
    why = page.inner_text("#explanation pre")
    check(all(f"\n{part} " in why for part in ("when", "what", "why", "like")), why)
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


def a_step_draws_what_is_in_view(pages, name, at_least):
    page = pages.open(name)
    count = len(pages.data["events"])
    check(count >= at_least, f"{count} events")
    times, drawn = [], []
    for key in ["ArrowRight"] * STEPS + ["End"] + ["ArrowLeft"] * STEPS:
        taken, nodes = page.evaluate("""key => new Promise(done => {
            const seen = new MutationObserver(() => {});
            seen.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
            const begin = performance.now();
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
            const added = seen.takeRecords().map(each => [...each.addedNodes]
                .reduce((sum, node) => sum + (node.querySelectorAll?.("*").length ?? 0), 1));
            seen.disconnect();
            document.body.getBoundingClientRect();
            requestAnimationFrame(() => done([performance.now() - begin, added.reduce((sum, nodes) => sum + nodes, 0)]));
        })""", key)
        times.append(taken)
        drawn.append(nodes)
    print(f"{name}: {count} events, opened in {pages.loaded:.2f} s, a step takes {statistics.median(times):.1f} ms "
          f"in the median and draws at most {max(drawn)} nodes")
    check(0 < min(drawn) and max(drawn) <= NODES_PER_STEP_MAX, f"a step draws at most {NODES_PER_STEP_MAX} nodes")
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
        a_failure_says_what_broke_where(pages, given.screenshot)
        a_wait_in_vain_is_marked_where_it_began(pages)
        for does in finds.ALL + looks.ALL:
            does(pages)
        hostile_data_is_only_shown(pages)
        a_step_draws_what_is_in_view(pages, "passed.html", 2_000)
        a_step_draws_what_is_in_view(pages, "long.html", 20_000)
        browser.close()
    print("the pages are what they should be")


if __name__ == "__main__":
    main()
