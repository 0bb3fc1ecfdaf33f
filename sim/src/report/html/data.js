// The run, and the hub's state after every event: made from the rows that each input changed.

const run = JSON.parse(document.getElementById("data").textContent);
const TABLES = ["sessions", "addresses", "topics"];

/** Remembers the state after every so many events, so that any other is a few rows away. */
class States {
  constructor(events, every = 128) {
    this.events = events;
    this.every = every;
    this.kept = [];
    /** The events that wrote each row, in their order. */
    this.writers = new Map();
    /** For each event the latest one, itself perhaps, that changed the state. */
    this.changedAt = [];
    const state = States.empty();
    events.forEach((event, number) => {
      if (number % every === 0) this.kept.push(States.copy(state));
      States.apply(state, event);
      const changes = event.kind === "start" || (event.hub && (this.note(state.starts, event.hub.rows, number) || event.hub.putOff));
      this.changedAt.push(changes ? number : this.changedAt.at(-1) ?? 0);
    });
  }

  static empty() {
    return { sessions: new Map(), addresses: new Map(), topics: new Map(), starts: 0 };
  }

  static copy(state) {
    const copy = { starts: state.starts };
    for (const table of TABLES) copy[table] = new Map(state[table]);
    return copy;
  }

  static apply(state, event) {
    if (event.kind === "start") {
      for (const table of TABLES) state[table].clear();
      state.starts += 1;
    }
    if (!event.hub) return;
    if (event.hub.putOff) States.putOff(state, event.hub.putOff);
    for (const table of TABLES) {
      const rows = event.hub.rows[table];
      for (const key in rows) {
        if (rows[key] === null) state[table].delete(key);
        else state[table].set(key, rows[key]);
      }
    }
  }

  /** What a hub that stood still has armed is so much later; a token's end is not. */
  static putOff(state, by) {
    const later = (at) => (at === null ? null : at + by);
    for (const [key, row] of state.sessions) {
      const { connect, idle, slow_consumer: slow, token } = row.deadlines;
      state.sessions.set(key, { ...row, deadlines: { connect: later(connect), idle: later(idle), slow_consumer: later(slow), token } });
    }
    for (const [key, row] of state.addresses) {
      const { registration: known } = row;
      const registration = known && { ...known, until: later(known.until) };
      state.addresses.set(key, { ...row, registration, deadline: later(row.deadline) });
    }
  }

  /** Returns whether there were any. */
  note(starts, rows, number) {
    let some = false;
    for (const table of TABLES) {
      for (const key in rows[table]) {
        const row = `${starts}/${table}/${key}`;
        const writers = this.writers.get(row);
        if (writers) writers.push(number);
        else this.writers.set(row, [number]);
        some = true;
      }
    }
    return some;
  }

  /** The writers of a row before, at or before, and after an event; undefined where there is none. */
  writersAround(starts, table, key, number) {
    const writers = this.writers.get(`${starts}/${table}/${key}`) || [];
    const at = firstNotBefore(writers, number, (writer) => writer);
    const next = writers[at] === number ? at + 1 : at;
    return { before: writers[at - 1], last: writers[next - 1], next: writers[next] };
  }

  /** The state before the event; before the one after it is after it. */
  before(number) {
    const place = Math.min(Math.floor(number / this.every), this.kept.length - 1);
    const state = States.copy(this.kept[place]);
    for (let n = place * this.every; n < number; n += 1) States.apply(state, this.events[n]);
    return state;
  }

  /** Both, as it takes no longer. */
  around(number) {
    const before = this.before(number);
    const after = States.copy(before);
    States.apply(after, this.events[number]);
    return { before, after };
  }
}

/** The place of the first that is not below `wanted`, in a list that ascends by `value`. */
function firstNotBefore(list, wanted, value) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(list[middle]) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const states = new States(run.events);
/** Arrows by the events where they begin and end. */
const leaving = run.events.map(() => []);
const arriving = run.events.map(() => []);
run.arrows.forEach((arrow, place) => { arrow.place = place; });
for (const arrow of run.arrows) {
  leaving[arrow.from].push(arrow);
  if (arrow.to !== null) arriving[arrow.to].push(arrow);
}
const sessionLanes = new Map(run.sessions.map(([hub, key, lane]) => [`${hub}/${key}`, lane]));
/** The hub's clock at the start of the run, in milliseconds, by its first input. */
const firstInput = run.events.find((event) => event.hub);
const epoch = firstInput ? firstInput.hub.now - firstInput.at / 1000 : 0;
/** The event that broke an invariant, or from which on something was waited for in vain. */
const violated = run.violation ? run.violation.event : -1;

const seconds = (microseconds, digits = 3) => (microseconds / 1e6).toFixed(digits);
/** How long something took, in whatever unit says most. */
function lasting(microseconds) {
  if (microseconds >= 1e6) return `${(microseconds / 1e6).toFixed(1)} s`;
  return microseconds >= 1e3 ? `${(microseconds / 1e3).toFixed(1)} ms` : `${microseconds} µs`;
}
/** Events are counted from the start of the run, whose beginning may be missing here. */
const numberOf = (place) => run.skipped + place + 1;
const eventName = (place) => `event ${numberOf(place)}`;

/** An event and everything that it goes back to. */
function ledTo(number) {
  const all = new Set([number]);
  for (const one of all) for (const cause of run.events[one].causes) all.add(cause);
  return all;
}

/** The scenario as a file that ends with the steps which had begun by an event. */
function scenarioUpTo(number) {
  const lines = run.scenario.split("\n");
  const head = lines.indexOf('  "steps": [') + 1;
  let steps = 0;
  for (let n = number; n >= 0 && steps === 0; n -= 1) steps = run.events[n].step || 0;
  const kept = lines.slice(head, head + steps).join("\n").replace(/,$/, "");
  return [...lines.slice(0, head), ...(steps ? [kept] : []), "  ]", "}", ""].join("\n");
}

/** The text of a frame, one value a line. Numbers and keys stay as they were written. */
function indented(text) {
  let out = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
  tokens.forEach((token, place) => {
    const empty = /^[}\]]$/.test(tokens[place + 1] || "");
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + (empty ? "" : line());
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out += (/[{[]$/.test(out) ? "" : line()) + token;
    } else if (token === ",") {
      out += token + line();
    } else {
      out += token === ":" ? ": " : token;
    }
  });
  return out;
}

const byId = (id) => document.getElementById(id);

/** An element with attributes, listeners (`onclick`) and children; texts are only ever texts. */
function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  return furnish(node, attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  return furnish(node, attributes, children);
}

function furnish(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node[key] = value;
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
