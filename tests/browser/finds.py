"""What a person finds in a page, and how."""

import json

from pages import check, choose, number_of


def heartbeats_are_behind_one_switch(pages):
    page = pages.open("passed.html")
    events = pages.data["events"]
    noise = {"hub:heartbeat", "hub:heartbeat_ack", "ping", "pong", "(bytes)", "(sign of life)",
             "(queue written)", "(network)"}

    def shown():
        return int(page.inner_text("#row-count").split()[0])

    quiet = sum(not set(event["types"]) <= noise for event in events)
    check(shown() == quiet, f"{quiet} events are no noise, {shown()} are shown")
    page.locator("#noise").check()
    check(shown() == len(events), "the switch shows all")
    page.locator("#noise").uncheck()
    check(shown() == quiet, "and hides them again")
    pages.close(page)


def a_search_finds_texts_and_frames(pages):
    page = pages.open("passed.html")
    page.keyboard.press("/")
    page.keyboard.type("hub:subscribed")
    found = int(page.inner_text("#found").split(" of ")[1])
    told = sum("hub:subscribed" in json.dumps(event) for event in pages.data["events"])
    check(found == told > 4, f"{found} of {told} are found")
    places = []
    for _ in range(3):
        page.keyboard.press("Enter")
        places.append(number_of(page))
        check("hub:subscribed" in json.dumps(pages.data["events"][places[-1] - 1]), "Enter goes to a hit")
    check(places == sorted(set(places)), f"one after the other: {places}")
    check(page.locator("#lines .ground.hit").count() > 0, "hits are marked")
    page.keyboard.press("Shift+Enter")
    check(number_of(page) == places[1], "Shift and Enter go back")
    page.keyboard.press("Escape")
    check(page.locator("#lines .ground.hit").count() == 0, "Escape ends it")
    page.keyboard.press("ArrowRight")
    check(number_of(page) > places[1], "and the keys step again")
    pages.close(page)


def a_link_leads_to_an_event(pages):
    page = pages.open("passed.html", "#event=45")
    check(number_of(page) == 45, "the address names the event")
    page.keyboard.press("ArrowRight")
    there = number_of(page)
    page.wait_for_function("there => location.hash === `#event=${there}`", arg=there)
    choose(page, 99)
    link = page.locator("#event .where a")
    check(link.get_attribute("href") == "#event=99", "the panel has the link")
    pages.close(page)
    page = pages.open("passed.html", "#event=99999999")
    check(number_of(page) == 1, "an event that is not there is not looked for")
    pages.close(page)


def the_map_shows_the_whole_run_and_leads_there(pages):
    page = pages.open("passed.html")
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + 10, box["y"] + box["height"] * 0.75)
    top, whole = page.locator("#picture").evaluate("one => [one.scrollTop, one.scrollHeight]")
    check(abs(top / whole - 0.75) < 0.1, f"a click in the map goes there: {top} of {whole}")
    pages.close(page)

    page = pages.open("failed.html")
    colors = page.evaluate("""() => {
        const map = document.getElementById("map");
        const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
        let [red, amber] = [0, 0];
        for (let place = 0; place < data.length; place += 4) {
            const [r, g, b] = data.slice(place, place + 3);
            red += r > 150 && g < 60 && b < 80;
            amber += r > 180 && g > 110 && g < 170 && b < 80;
        }
        return { red, amber };
    }""")
    check(colors["red"] > 20 and colors["amber"] > 8, f"it shows what broke and the faults: {colors}")
    pages.close(page)


def events_are_filtered_by_what_they_are_about(pages):
    page = pages.open("passed.html")
    subjects = pages.data["subjects"]
    for kind in ("address", "topic", "session"):
        place = next(place for place, subject in enumerate(subjects) if subject["kind"] == kind)
        page.locator("#subject").select_option(str(place))
        page.keyboard.press("Home")
        shown = int(page.inner_text("#row-count").split()[0])
        check(3 < shown < len(pages.data["events"]) / 2, f"{shown} events are about {subjects[place]}")
        for _ in range(5):
            check(place in pages.data["events"][number_of(page) - 1]["about"], f"about {subjects[place]}")
            page.keyboard.press("ArrowRight")
    pages.close(page)


def only_what_led_to_an_event_can_be_shown(pages):
    page = pages.open("failed.html")
    events, last = pages.data["events"], number_of(page)
    led, todo = set(), [last - 1]
    while todo:
        one = todo.pop()
        if one not in led:
            led.add(one)
            todo += events[one]["causes"]
    page.locator("#led").click()
    shown = int(page.inner_text("#row-count").split()[0])
    check(shown == len(led) and 5 < shown < len(events) / 4, f"{shown} of {len(events)} events led there")
    seen = [number_of(page) - 1]
    while page.keyboard.press("ArrowLeft") or number_of(page) - 1 != seen[-1]:
        seen.append(number_of(page) - 1)
    check(set(seen) == led, "and no others")
    texts = [events[one]["text"] for one in led]
    check(any(text.startswith("hub:subscribe ") for text in texts), f"the topics that were lost: {texts}")
    check(not any("heartbeat" in text for text in texts), f"but no noise: {texts}")
    page.keyboard.press("l")
    check(int(page.inner_text("#row-count").split()[0]) > shown, "the same button shows all again")
    pages.close(page)


def a_row_tells_who_wrote_it(pages):
    page = pages.open("passed.html")
    events = pages.data["events"]
    key = next(key for event in events for key in event.get("hub", {}).get("rows", {}).get("addresses", {}))
    starts = [place for place, event in enumerate(events) if event["kind"] == "start"] + [len(events)]
    changed = [event.get("hub", {}).get("rows", {}).get("addresses", {}) for event in events[:starts[1]]]
    wrote = [place + 1 for place, rows in enumerate(changed) if key in rows]
    choose(page, wrote[1])
    for by, place in ((">", 2), (">", 3), ("<", 2)):
        row = page.locator("#changed-addresses tr.after", has_text=key)
        row.locator("a.writer", has_text="›" if by == ">" else "‹").click()
        check(number_of(page) == wrote[place], f"{key} changes at {wrote[:4]}, not at {number_of(page)}")
    other = next(place for place in range(wrote[2] + 1, wrote[3]))
    choose(page, other)
    row = page.locator("#addresses tbody tr", has_text=key)
    row.locator("a.writer", has_text=str(wrote[2])).click()
    check(number_of(page) == wrote[2], "who wrote it last")
    pages.close(page)


def a_scenario_can_be_had_up_to_here(pages):
    page = pages.open("passed.html")
    steps = [place for place, event in enumerate(pages.data["events"]) if event["kind"] == "step"]
    choose(page, steps[4] + 1)
    page.locator("#show-scenario").click()
    scenario = json.loads(page.input_value("#scenario-text"))
    whole = json.loads(pages.data["scenario"])
    check(scenario == {**whole, "steps": whole["steps"][:5]}, f"{scenario['steps']}")
    page.locator("#copy").click()
    check(page.inner_text("#copy") == "Copied", "and copied")
    page.keyboard.press("Escape")
    pages.close(page)


def two_runs_stand_side_by_side(pages):
    pages.complaints, pages.requests = [], []
    page = pages.browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.on("console", lambda message: pages.complaints.append(message.text))
    page.on("pageerror", lambda error: pages.complaints.append(str(error)))
    page.goto((pages.folder / "pair.html").as_uri())
    page.wait_for_function("document.getElementById('verdict').textContent !== ''")
    left, right = page.frames[1], page.frames[2]

    def text(frame):
        return frame.inner_text("#event h2")

    left.locator("#picture").focus()
    page.keyboard.press("Home")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
        if "connection" in text(left):
            check(text(left) == text(right), f"both choose the same: {text(left)}, {text(right)}")
    page.locator("#together").uncheck()
    before = text(right)
    page.keyboard.press("Home")
    check(text(right) == before, "unless each is to go alone")
    commands = page.inner_text("#commands")
    check("waits.json" in commands and "other.json" in commands, f"both commands are told: {commands}")
    check(pages.complaints == [], f"the console is silent: {pages.complaints}")
    page.context.close()


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


ALL = [
    heartbeats_are_behind_one_switch,
    a_search_finds_texts_and_frames,
    a_link_leads_to_an_event,
    the_map_shows_the_whole_run_and_leads_there,
    events_are_filtered_by_what_they_are_about,
    only_what_led_to_an_event_can_be_shown,
    a_row_tells_who_wrote_it,
    a_scenario_can_be_had_up_to_here,
    two_runs_stand_side_by_side,
    the_filter_hides_what_is_not_wanted,
]
