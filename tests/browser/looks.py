"""What a page looks like: in any window, in the light and in the dark, in words that people use."""

import re

from pages import check


def time_fits_the_run_and_its_unit_the_scale(pages):
    page = pages.open("passed.html")
    page.locator("#timed").click()
    page.keyboard.press("End")
    height = page.locator("#space").bounding_box()["height"]
    check(height <= page.locator("#picture").bounding_box()["height"] + 60, f"the run fits: {height}")
    units = []
    for _ in range(14):
        units.append(page.text_content("#heads text.unit"))
        page.locator("#closer").click()
    check(units[0] == "seconds" and "ms" in units, f"the unit follows the scale: {units}")
    pages.close(page)


def text_is_cut_where_the_window_ends(pages):
    page = pages.open("passed.html", viewport={"width": 1400, "height": 900})
    page.keyboard.press("End")
    for _ in range(4):
        picture = page.locator("#picture")
        check(picture.evaluate("one => one.scrollWidth <= one.clientWidth"), "nothing is wider than the window")
        ends = page.locator("#lines text.said").evaluate_all(
            "all => all.map(one => one.getBBox()).map(box => box.x + box.width)")
        check(max(ends) <= picture.evaluate("one => one.clientWidth"), f"no text is wider: {max(ends)}")
        page.keyboard.press("ArrowLeft")
    turned = page.locator("#heads text[transform]").count()
    check(turned == 0, "names stand upright")
    pages.close(page)


def no_event_is_told_in_the_words_of_a_program(pages):
    page = pages.open("passed.html")
    texts = [event["text"] for event in pages.data["events"]]
    texts += [output["text"] for event in pages.data["events"] for output in event.get("hub", {}).get("outputs", [])]
    odd = [text for text in texts if re.search(r"\b[A-Z][a-z]+[A-Z]\w* ?[({]|\b[A-Z][a-z]+ ?[({] ?\w+: ", text)]
    check(odd == [], f"no Rust: {odd[:3]}")
    pages.close(page)


def a_page_is_dark_or_light_as_one_likes(pages):
    page = pages.open("passed.html", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.locator("#theme").click()
    light = page.evaluate(paper)
    page.locator("#theme").click()
    check(light != dark == page.evaluate(paper), f"{dark}, {light}")
    pages.close(page)


def a_phone_can_read_it(pages):
    page = pages.open("failed.html", viewport={"width": 390, "height": 844})
    check(page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone")
    rows = page.locator("#lines text.said").count()
    check(rows >= 10, f"{rows} rows are in sight")
    said = page.text_content("#lines g.violated text.said")
    check(len(said) > 15, f"with some of their text: {said}")
    check(page.locator("#subject").is_hidden(), "tools are out of the way")
    page.locator("#more").click()
    check(page.locator("#subject").is_visible(), "and there when wanted")
    pages.close(page)


def the_legend_explains_all_that_is_drawn(pages):
    page = pages.open("failed.html")
    known = set(page.locator("#legend path.arrow").evaluate_all("all => all.map(one => one.classList[1])"))
    check(known == {"data", "own", "refused", "end", "open"}, f"{known}")
    for mark in (".lost", "rect.fault.took", "rect.fault:not(.took)", ".wait", ".lane.hub", ".lane.actor", ".lane.connection",
                 ".ground.selected", ".ground.hit", ".ground.violated", ".milestone", ".pause", ".row.hub"):
        check(page.locator(f"#legend {mark}").count() == 1, f"the legend has {mark}")
    pages.close(page)


ALL = [
    time_fits_the_run_and_its_unit_the_scale,
    text_is_cut_where_the_window_ends,
    no_event_is_told_in_the_words_of_a_program,
    a_page_is_dark_or_light_as_one_likes,
    a_phone_can_read_it,
    the_legend_explains_all_that_is_drawn,
]
