// What a person does: step, click, jump, zoom, copy.

function choose(number, output) {
  view.selected = number;
  if (!view.shown.has(number)) arrangeAgain();
  reveal(number);
  draw();
  describe(number, output);
  if (found.length > 0) tellFound();
  noteInAddress();
  followers.forEach((follow) => follow(number));
}

/** Who wants to know what is chosen: a page that shows two runs. */
const followers = [];
window.page = { run, choose, onChoose: (follow) => followers.push(follow) };

function step(by, wanted = () => true) {
  let place = rowOf(view.selected) + by;
  while (place >= 0 && place < view.rows.length) {
    if (wanted(run.events[view.rows[place]])) return choose(view.rows[place]);
    place += by;
  }
}

const isInput = (event) => event.kind === "hub";
const KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  ArrowUp: () => step(-1, isInput),
  ArrowDown: () => step(1, isInput),
  Home: () => view.rows.length && choose(view.rows[0]),
  End: () => view.rows.length && choose(view.rows.at(-1)),
  "/": () => searchField.focus(),
  n: () => seek(1),
  N: () => seek(-1),
  l: () => byId("led").click(),
};
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, select, textarea, aside table, .menu, dialog");
  const act = KEYS[event.key];
  if (!act || elsewhere || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

lines.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-event]");
  if (!hit) return;
  const output = hit.dataset.output;
  choose(Number(hit.dataset.event), output === undefined ? undefined : Number(output));
});

document.querySelector("aside").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  choose(addressed(link.href));
});

// One for all: most drawings go away before anybody points at them.
lines.addEventListener("pointerover", (event) => {
  const hit = event.target.closest("[data-event]");
  picture.title = hit ? titleOf(hit) : "";
});

let isDue = false;
function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; draw(); });
}
picture.addEventListener("scroll", drawSoon);
new ResizeObserver(() => { fit(); drawSoon(); }).observe(picture);

/** Takes the window as it is. */
function fit() {
  measure();
  drawHeads();
  buildMap();
}

/** The address names the chosen event, a moment after the last step: browsers mind many changes. */
let addressTimer = 0;
function noteInAddress() {
  clearTimeout(addressTimer);
  if (location.protocol === "about:") return;
  addressTimer = setTimeout(() => history.replaceState(null, "", `#event=${numberOf(view.selected)}`), 250);
}

/** The event that an address names, if the run has it. */
function addressed(address) {
  const said = /#event=(\d+)$/.exec(address);
  const place = said ? Number(said[1]) - run.skipped - 1 : -1;
  return place >= 0 && place < run.events.length ? place : null;
}
addEventListener("hashchange", ({ newURL }) => { const place = addressed(newURL); if (place !== null) choose(place); });

function buildPlaces() {
  const places = byId("places");
  places.append(element("option", { value: "" }, "Go to …"));
  const times = clock();
  run.events.forEach((event, number) => {
    const isPlace = ["run", "start", "stop"].includes(event.kind) || number === violated || event.text.includes(" injected ");
    if (!isPlace) return;
    const text = number === violated ? rowText(number) : event.text;
    places.append(element("option", { value: number }, `${times.text(event.at)} ${times.unit}  ${text.slice(0, 70)}`));
  });
  places.onchange = () => { if (places.value !== "") choose(Number(places.value)); places.value = ""; picture.focus(); };
}

/** Rows, or distances as long as time; at first the whole run fits the window. */
function spread(timed, scale) {
  const most = HEIGHT_MAX / (duration / 1e6);
  Object.assign(view, { timed, scale: Math.max(Math.min(scale, most), Math.min(fitting(), most)) });
  byId("even").setAttribute("aria-pressed", String(!timed));
  byId("timed").setAttribute("aria-pressed", String(timed));
  byId("closer").disabled = !timed || view.scale >= most;
  byId("wider").disabled = !timed || view.scale <= fitting() * 1.01;
  drawHeads();
  filter();
  picture.scrollTop = view.y[view.selected] - picture.clientHeight / 2;
}

function introduce() {
  byId("title").textContent = run.title || `Seed ${run.seed}`;
  document.title = `${run.violation ? "✗ " : ""}${run.title || `Seed ${run.seed}`} – signal-hub`;
  const last = run.events.at(-1);
  const says = run.why.includes("Seen: ") && run.violation ? "" : run.why;
  const facts = [says, `${run.events.length} events in ${lasting(last ? last.at : 0)} of simulated time.`,
    run.violation ? "" : "Every invariant held.", "Again:"];
  byId("facts").append(facts.filter(Boolean).join(" "), " ", element("code", {}, run.command));
  if (!run.violation) return;
  byId("violation").hidden = false;
  byId("invariant").textContent = `✗ ${run.violation.invariant}`;
  byId("sentence").textContent = run.violation.sentence;
  byId("evidence").textContent = run.violation.evidence;
  byId("explanation").hidden = !run.explanation;
  byId("explanation").lastElementChild.textContent = run.explanation;
  byId("show-violation").onclick = () => { choose(violated); picture.focus(); };
}

function showScenario() {
  const text = scenarioUpTo(view.selected);
  const steps = text.split("\n").filter((line) => line.startsWith("    {")).length;
  byId("scenario-facts").textContent = `${steps} steps had begun by ${eventName(view.selected)}. Play them with cargo sim replay FILE.`;
  byId("scenario-text").value = text;
  byId("scenario").showModal();
  byId("scenario-text").select();
}

function copyScenario() {
  byId("scenario-text").select();
  const isCopied = document.execCommand("copy");
  byId("copy").textContent = isCopied ? "Copied" : "Press Ctrl+C";
}

function turnTheme() {
  const root = document.documentElement;
  const isDark = getComputedStyle(root).colorScheme === "light dark" ? matchMedia("(prefers-color-scheme: dark)").matches : root.dataset.theme === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  buildMap();
  draw();
}

const buttons = {
  previous: KEYS.ArrowLeft,
  next: KEYS.ArrowRight,
  "previous-input": KEYS.ArrowUp,
  "next-input": KEYS.ArrowDown,
  even: () => spread(false, 0),
  timed: () => spread(true, 0),
  closer: () => spread(true, view.scale * 2),
  wider: () => spread(true, view.scale / 2),
  "show-scenario": showScenario,
  copy: copyScenario,
  theme: turnTheme,
  more: () => byId("tools").classList.toggle("all"),
};
for (const [id, act] of Object.entries(buttons)) byId(id).onclick = act;
byId("scenario").addEventListener("close", () => { byId("copy").textContent = "Copy"; });

introduce();
buildFilters();
buildPlaces();
measure();
drawHeads();
view.selected = addressed(location.href) ?? Math.max(violated, 0);
filter();
picture.focus({ preventScroll: true });
