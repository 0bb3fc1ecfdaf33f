// What is known of the chosen event: its frames, and the hub's state around it.

const eventPanel = document.getElementById("event");
const statePanel = document.getElementById("state");

function describe(number, output) {
  const event = run.events[number];
  const parts = [
    element("p", { class: "where" }, `${eventName(number)} of ${run.skipped + run.events.length} · ${seconds(event.at, 6)} s · ${run.lanes[event.lane].name}`),
    element("h2", {}, event.text),
  ];
  if (number === violated) {
    parts.push(element("p", { class: "broken" }, `✗ ${run.violation.invariant}: ${run.violation.evidence}`));
  }
  const frame = frameOf(number);
  if (frame !== null) parts.push(element("pre", { class: "envelope" }, indented(frame)));
  parts.push(...journeys(number));
  if (event.hub) parts.push(...outputs(number, output));
  eventPanel.replaceChildren(...parts);
  statePanel.replaceChildren(...hubState(number));
}

/** The frame of an event: its own, or the one that arrives with it. */
function frameOf(number) {
  const event = run.events[number];
  if (event.envelope !== undefined) return event.envelope;
  for (const arrow of arriving[number]) {
    const sent = run.events[arrow.from];
    if (arrow.output !== null) return sent.hub.outputs[arrow.output].envelope ?? null;
    if (sent.envelope !== undefined) return sent.envelope;
  }
  return null;
}

function journeys(number) {
  const all = [];
  for (const arrow of arriving[number]) {
    const took = (run.events[number].at - run.events[arrow.from].at) / 1000;
    all.push(goTo(arrow.from, `← left at ${eventName(arrow.from)}, ${took.toFixed(1)} ms before`));
  }
  for (const arrow of leaving[number].filter((one) => one.output === null)) {
    all.push(arrival(arrow));
  }
  return all.length ? [element("p", { class: "journeys" }, ...all)] : [];
}

function arrival(arrow) {
  if (arrow.lost) return element("span", { class: "never" }, "did not arrive");
  if (arrow.to === null) return element("span", { class: "open" }, "under way when the run stops");
  const took = (run.events[arrow.to].at - run.events[arrow.from].at) / 1000;
  return goTo(arrow.to, `→ arrives at ${eventName(arrow.to)}, ${took.toFixed(1)} ms later`);
}

function goTo(number, text) {
  return element("button", { type: "button", onclick: () => choose(number) }, text);
}

function outputs(number, chosen) {
  const { hub } = run.events[number];
  if (hub.outputs.length === 0) return [];
  const items = hub.outputs.map((output, place) => {
    const item = element("li", {});
    const arrow = leaving[number].find((one) => one.output === place);
    if (output.envelope === undefined) {
      item.append(element("span", { class: "said" }, output.text));
    } else {
      const pre = element("pre", { class: "envelope" });
      const kind = output.text.startsWith("audit ") ? "audit" : undefined;
      const more = element("details", { class: kind, open: place === chosen ? "" : undefined }, element("summary", {}, output.text), pre);
      // Written when someone looks: an input may have many outputs.
      const write = () => { if (more.open && !pre.firstChild) pre.append(indented(output.envelope)); };
      more.ontoggle = write;
      write();
      item.append(more);
    }
    if (arrow) item.append(arrival(arrow));
    return item;
  });
  return [element("h3", {}, "What the hub does"), element("ol", { class: "outputs" }, ...items)];
}

const stamp = (milliseconds) => (milliseconds === null ? "–" : `${((milliseconds - epoch) / 1000).toFixed(3)}`);
const TABLE_HEADS = {
  sessions: ["Sessions", ["session", "whose", "phase", "addresses", "queued", "deadlines"]],
  addresses: ["Registry", ["address", "owner", "version", "until", "topics", "deadline"]],
  topics: ["Topics", ["topic", "subscribers"]],
};
const deadlines = (row) => Object.entries(row.deadlines)
  .flatMap(([name, at]) => (at === null ? [] : [`${name.split("_")[0]} ${stamp(at)}`])).join(" ") || "–";
const CELLS = {
  sessions: (key, row, starts) => {
    const lane = sessionLanes.get(`${starts - 1}/${key}`);
    return [`s${key}`, lane === undefined ? "?" : run.lanes[lane].name, row.phase, row.addresses.join(" ") || "–",
      row.queued.messages === 0 ? "–" : `${row.queued.messages} (${row.queued.bytes} B)`, deadlines(row)];
  },
  addresses: (key, row) => {
    const { registration: known } = row;
    return [key, known === null ? "–" : known.owner === null ? "detached" : `s${known.owner}`, known === null ? "–" : `${known.version}`,
      known === null ? "–" : stamp(known.until), row.topics.join(" ") || "–", stamp(row.deadline)];
  },
  topics: (key, row) => [key, row.subscribers.join(" ")],
};

function hubState(number) {
  const { before, after } = states.around(number);
  const isInput = Boolean(run.events[number].hub);
  const head = element("h3", {}, isInput ? "The hub's state before and after" : "The hub's state");
  const key = element("p", { class: "key" }, "times in seconds of the hub's clock",
    ...(isInput ? ["; ", element("del", {}, "− before"), " ", element("ins", {}, "+ after")] : []));
  return [head, key, ...TABLES.map((table) => stateTable(table, before, after))];
}

function stateTable(table, before, after) {
  const [caption, columns] = TABLE_HEADS[table];
  const byNumber = (a, b) => a - b;
  const keys = [...new Set([...before[table].keys(), ...after[table].keys()])];
  keys.sort(table === "sessions" ? byNumber : undefined);
  const body = element("tbody");
  for (const key of keys) {
    const [old, now] = [before[table].get(key), after[table].get(key)];
    const cells = (row, state) => CELLS[table](key, row, state.starts);
    const was = old === undefined ? null : cells(old, before);
    const is = now === undefined ? null : cells(now, after);
    if (old === now || (was && is && was.join("\n") === is.join("\n"))) body.append(stateRow("", is, null));
    else {
      if (was) body.append(stateRow("before", was, is));
      if (is) body.append(stateRow("after", is, was));
    }
  }
  if (keys.length === 0) body.append(element("tr", {}, element("td", { colspan: columns.length + 1, class: "none" }, "none")));
  const headers = columns.map((column) => element("th", { scope: "col" }, column));
  return element("table", { id: table }, element("caption", {}, `${caption} (${after[table].size})`),
    element("thead", {}, element("tr", {}, element("th", { class: "sign" }), ...headers)), body);
}

function stateRow(kind, cells, other) {
  const sign = { before: "−", after: "+" }[kind] || "";
  const differs = (place) => kind !== "" && (other === null || other[place] !== cells[place]);
  return element("tr", { class: kind || undefined }, element("td", { class: "sign" }, sign),
    ...cells.map((cell, place) => element("td", { class: differs(place) ? "changed" : undefined }, cell)));
}
