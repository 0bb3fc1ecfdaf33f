// What is shown: by actor, type, subject, without noise, or only what led to one event.

const NOISE = new Set(["(bytes)", "(queue written)", "(sign of life)", "(network)", "hub:heartbeat", "hub:heartbeat_ack", "ping", "pong"]);
const counts = new Map();
for (const event of run.events) for (const type of event.types) counts.set(type, (counts.get(type) || 0) + 1);
for (const arrow of run.arrows) if (!counts.has(arrow.type)) counts.set(arrow.type, 0);
const allTypes = [...counts.keys()].sort((a, b) => isData(b) - isData(a) || a.localeCompare(b));
view.types = new Set(allTypes.filter((type) => !NOISE.has(type)));
view.actors = new Set(run.actors.keys());
/** The place of the subject that events must be about, or -1. */
view.subject = -1;
/** The events that led to the one at which this was asked for. */
view.led = null;

function isShown(event, number) {
  if (view.led) return view.led.has(number);
  if (number === violated) return true;
  if (view.subject >= 0 && !event.about.includes(view.subject)) return false;
  const concerns = event.actors.length === 0 || event.actors.some((actor) => view.actors.has(actor));
  return concerns && event.types.some((type) => view.types.has(type));
}

/** Lays everything out anew; the chosen event stays in sight, or the nearest after it is chosen. */
function arrangeAgain() {
  const keep = view.selected;
  arrange((event, number) => number === keep || isShown(event, number));
  buildMap();
}

function filter() {
  arrange(isShown);
  buildMap();
  byId("actor-count").textContent = `${view.actors.size} of ${run.actors.length}`;
  byId("type-count").textContent = `${view.types.size} of ${allTypes.length}`;
  byId("row-count").textContent = `${view.rows.length} of ${run.events.length} events`;
  byId("noise").checked = allTypes.some((type) => NOISE.has(type) && view.types.has(type));
  for (const box of byId("types").querySelectorAll("input")) box.checked = view.types.has(box.value);
  if (view.rows.length === 0) return draw();
  choose(view.rows[rowOf(view.selected)] ?? view.rows.at(-1));
}

function checkbox(label, value, isOn, change) {
  const box = element("input", { type: "checkbox", value, onchange: () => { change(box.checked); filter(); } });
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
  run.actors.forEach((actor, number) => byId("actors").append(checkbox(actor, number, true, toggle(view.actors, number))));
  allOrNone(byId("types"), view.types, allTypes);
  for (const type of allTypes) {
    byId("types").append(checkbox(`${type} (${counts.get(type)})`, type, view.types.has(type), toggle(view.types, type)));
  }
  byId("noise").onchange = () => {
    const put = toggleAll(byId("noise").checked);
    allTypes.filter((type) => NOISE.has(type)).forEach(put);
    filter();
  };
  buildSubjects();
  byId("led").onclick = () => onlyWhatLedTo(view.led ? null : view.selected);
}

const toggleAll = (on) => (type) => (on ? view.types.add(type) : view.types.delete(type));

function onlyWhatLedTo(number) {
  view.led = number === null ? null : ledTo(number);
  byId("led").setAttribute("aria-pressed", String(number !== null));
  byId("led").textContent = number === null ? "Only what led here" : `What led to ${eventName(number)}`;
  filter();
}

/** `s3 of alice#1.2`; sessions of a hub that started again say so. */
function sessionName(restarts, key) {
  const lane = sessionLanes.get(`${restarts}/${key}`);
  const whose = lane === undefined ? "" : ` of ${run.lanes[lane].name}`;
  return `s${key}${restarts > 0 ? ` after ${restarts} restarts` : ""}${whose}`;
}

function buildSubjects() {
  const select = byId("subject");
  const all = run.subjects.map(({ kind, name }, place) => ({ kind, place, name: kind === "session" ? sessionName(...name) : name }));
  for (const [kind, label] of [["address", "Addresses"], ["topic", "Topics"], ["session", "Sessions"]]) {
    const own = all.filter((subject) => subject.kind === kind);
    own.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    const options = own.map(({ name, place }) => element("option", { value: place }, name));
    select.append(element("optgroup", { label }, ...options));
  }
  select.onchange = () => { view.subject = Number(select.value); filter(); picture.focus(); };
}
