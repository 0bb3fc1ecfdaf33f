"""Opens pages of runs and reads what they show."""

import json
import re
import time

# What a machine may take that does much else beside.
PATIENCE_MS = 180_000


def check(truth, what):
    if not truth:
        raise SystemExit(f"not so: {what}")


class Pages:
    """Opens one page after the other and watches what each does behind the scenes."""

    def __init__(self, browser, folder):
        self.browser = browser
        self.folder = folder

    def open(self, name, place="", **options):
        self.complaints, self.requests = [], []
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        begin = time.perf_counter()
        page.goto((self.folder / name).as_uri() + place)
        page.wait_for_selector("#event h2")
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


def choose(page, number):
    """Opens the link to an event."""
    page.evaluate("number => { location.hash = `#event=${number}`; }", number)
    page.wait_for_function("""number => document.querySelector("#event .where")
                              .textContent.startsWith(`event ${number} of`)""", arg=number)


def keys_after(data, number):
    """The keys of the hub's tables after an event, by its number from 1 on."""
    tables = {"sessions": set(), "addresses": set(), "topics": set()}
    for event in data["events"][:number]:
        if event["kind"] == "start":
            for keys in tables.values():
                keys.clear()
        for table, rows in event.get("hub", {}).get("rows", {}).items():
            for key, row in rows.items():
                (tables[table].discard if row is None else tables[table].add)(key)
    return tables


def keys_shown(page):
    """The same, as the state panel shows them."""
    shown = {}
    for table in ("sessions", "addresses", "topics"):
        cells = page.locator(f"#{table} tbody tr td:nth-child(2)")
        keys = [key for key in cells.all_text_contents() if key]
        shown[table] = {key[1:] if table == "sessions" else key for key in keys}
    return shown


def check_changes(page, event):
    """The rows that an event changed stand in tables of their own."""
    for table, rows in event["hub"]["rows"].items():
        shown = page.locator(f"#changed-{table} tbody tr td:nth-child(2)").all_text_contents()
        told = {key[1:] if table == "sessions" else key for key in shown}
        check(told == set(rows), f"{event['text']} changes {set(rows)}, not {told}")
