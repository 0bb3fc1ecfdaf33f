// What a person does: step, click, filter, jump.

const byId = (id) => document.getElementById(id);
const NOISE = new Set(["(bytes)", "(queue written)", "(sign of life)", "(network)"]);
const counts = new Map();
for (const event of run.events) for (const type of event.types) counts.set(type, (counts.get(type) || 0) + 1);
for (const arrow of run.arrows) if (!counts.has(arrow.type)) counts.set(arrow.type, 0);
const allTypes = [...counts.keys()].sort((a, b) => isData(b) - isData(a) || a.localeCompare(b));
view.types = new Set(allTypes.filter((type) => !NOISE.has(type)));
view.actors = new Set(run.actors.keys());

function isShown(event, number) {
  if (number === violated) return true;
  const concerns = event.actors.length === 0 || event.actors.some((actor) => view.actors.has(actor));
  return concerns && event.types.some((type) => view.types.has(type));
}

function choose(number, output) {
  view.selected = number;
  if (!view.shown.has(number)) arrangeAgain();
  reveal(number);
  draw();
  describe(number, output);
}

/** Lays everything out anew; the chosen event stays in sight, or the nearest after it is chosen. */
function arrangeAgain() {
  const keep = view.selected;
  arrange((event, number) => number === keep || isShown(event, number));
}

function filter() {
  arrange(isShown);
  byId("actor-count").textContent = `${view.actors.size} of ${run.actors.length}`;
  byId("type-count").textContent = `${view.types.size} of ${allTypes.length}`;
  if (view.rows.length === 0) return draw();
  const next = view.rows[rowOf(view.selected)] ?? view.rows.at(-1);
  choose(next);
}

/** The place among the rows of this event, or of the next one that is shown. */
function rowOf(number) {
  let [low, high] = [0, view.rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.rows[middle] < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

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
};
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, select, aside table, .menu");
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

let isDue = false;
function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; draw(); });
}
picture.addEventListener("scroll", drawSoon);
new ResizeObserver(drawSoon).observe(picture);

function checkbox(label, isOn, change) {
  const box = element("input", { type: "checkbox", onchange: () => { change(box.checked); filter(); } });
  box.checked = isOn;
  return element("label", {}, box, ` ${label}`);
}

function allOrNone(field, set, all) {
  const put = (values) => () => {
    set.clear();
    values.forEach((value) => set.add(value));
    field.querySelectorAll("input").forEach((box) => { box.checked = values.length > 0; });
    filter();
  };
  field.append(element("p", {}, element("button", { type: "button", onclick: put(all) }, "all"), " ",
    element("button", { type: "button", onclick: put([]) }, "none")));
}

function buildFilters() {
  allOrNone(byId("actors"), view.actors, [...run.actors.keys()]);
  const toggle = (set, value) => (on) => (on ? set.add(value) : set.delete(value));
  run.actors.forEach((actor, number) => byId("actors").append(checkbox(actor, true, toggle(view.actors, number))));
  allOrNone(byId("types"), view.types, allTypes);
  for (const type of allTypes) {
    byId("types").append(checkbox(`${type} (${counts.get(type)})`, view.types.has(type), toggle(view.types, type)));
  }
}

function buildPlaces() {
  const places = byId("places");
  places.append(element("option", { value: "" }, "…"));
  run.events.forEach((event, number) => {
    const isPlace = ["run", "start", "stop"].includes(event.kind) || number === violated || event.text.includes(" injected ");
    if (!isPlace) return;
    const text = number === violated ? `✗ ${run.violation.invariant}` : event.text.slice(0, 70);
    places.append(element("option", { value: number }, `${seconds(event.at, 1)} s  ${text}`));
  });
  places.onchange = () => { if (places.value !== "") choose(Number(places.value)); places.value = ""; picture.focus(); };
}

function spread(timed, scale) {
  Object.assign(view, { timed, scale });
  byId("even").setAttribute("aria-pressed", String(!timed));
  byId("timed").setAttribute("aria-pressed", String(timed));
  byId("closer").disabled = !timed || scale >= 12800;
  byId("wider").disabled = !timed || scale <= 50;
  filter();
  picture.scrollTop = view.y[view.selected] - picture.clientHeight / 2;
}

function introduce() {
  byId("title").textContent = run.title || `Seed ${run.seed}`;
  document.title = `${run.violation ? "✗ " : ""}${run.title || `Seed ${run.seed}`} – signal-hub`;
  const last = run.events.at(-1);
  const facts = [run.why, `${run.events.length} events in ${last ? seconds(last.at, 1) : 0} simulated seconds.`,
    run.violation ? "" : "Every invariant held.", "Again:"];
  byId("facts").append(facts.filter(Boolean).join(" "), " ", element("code", {}, run.command));
  if (!run.violation) return;
  byId("violation").hidden = false;
  byId("invariant").textContent = `✗ ${run.violation.invariant}`;
  byId("sentence").textContent = run.violation.sentence;
  byId("evidence").textContent = run.violation.evidence;
  byId("show-violation").onclick = () => { choose(violated); picture.focus(); };
}

const buttons = {
  previous: KEYS.ArrowLeft,
  next: KEYS.ArrowRight,
  "previous-input": KEYS.ArrowUp,
  "next-input": KEYS.ArrowDown,
  even: () => spread(false, view.scale),
  timed: () => spread(true, view.scale),
  closer: () => spread(true, view.scale * 2),
  wider: () => spread(true, view.scale / 2),
};
for (const [id, act] of Object.entries(buttons)) byId(id).onclick = act;

introduce();
buildFilters();
buildPlaces();
drawHeads();
view.selected = Math.max(violated, 0);
filter();
picture.focus({ preventScroll: true });
