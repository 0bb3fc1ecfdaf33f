// The run, and the hub's state after every event: made from the rows that each input touched.

const run = JSON.parse(document.getElementById("data").textContent);
const TABLES = ["sessions", "addresses", "topics"];

/** Remembers the state after every so many events, so that any other is a few rows away. */
class States {
  constructor(events, every = 128) {
    this.events = events;
    this.every = every;
    this.kept = [];
    let state = States.empty();
    events.forEach((event, number) => {
      if (number % every === 0) this.kept.push(States.copy(state));
      States.apply(state, event);
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
    for (const table of TABLES) {
      for (const [key, row] of Object.entries(event.hub.touched[table])) {
        if (row === null) state[table].delete(key);
        else state[table].set(key, row);
      }
    }
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

const states = new States(run.events);
/** Arrows by the events where they begin and end. */
const leaving = run.events.map(() => []);
const arriving = run.events.map(() => []);
for (const arrow of run.arrows) {
  leaving[arrow.from].push(arrow);
  if (arrow.to !== null) arriving[arrow.to].push(arrow);
}
const sessionLanes = new Map(run.sessions.map(([hub, key, lane]) => [`${hub}/${key}`, lane]));
/** The hub's clock at the start of the run, in milliseconds, by its first input. */
const firstInput = run.events.find((event) => event.hub);
const epoch = firstInput ? firstInput.hub.now - firstInput.at / 1000 : 0;

const seconds = (microseconds, digits = 3) => (microseconds / 1e6).toFixed(digits);
const eventName = (number) => `event ${run.skipped + number + 1}`;

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
