// What is known of the chosen event: what it changed, its frames, what the hub did, the hub's state.

const eventPanel = byId("event");
const statePanel = byId("state");

function describe(number, output) {
  const event = run.events[number];
  const { before, after } = states.around(number);
  const where = `${eventName(number)} of ${numberOf(run.events.length - 1)} · ${lasting(event.at)} · ${run.lanes[event.lane].name}`;
  const parts = [
    element("p", { class: "where" }, where, " ", element("a", { href: `#event=${numberOf(number)}`, title: "A link to this event" }, "link")),
    element("h2", {}, event.text),
    ...(number === violated ? inVain() : []),
    ...changedTables(number, before, after),
  ];
  const frame = frameOf(number);
  if (frame !== null) parts.push(element("pre", { class: "envelope" }, indented(frame)));
  parts.push(...journeys(number));
  if (event.hub) parts.push(...outputs(number, output));
  eventPanel.replaceChildren(...parts);
  const isOpen = number !== violated && view.wholeIsOpen !== false;
  const whole = `${states.changedAt[number]} ${isOpen}`;
  if (view.whole === whole) return;
  view.whole = whole;
  statePanel.replaceChildren(wholeState(number, after, isOpen));
}

/** Since when something was waited for that no event shows. */
function inVain() {
  const wait = run.violation?.wait;
  return wait ? [element("p", { class: "never" }, `✗ waited for in vain from here on, for ${lasting(wait.until - wait.from)}`)] : [];
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
  const all = arriving[number].map((arrow) =>
    goTo(arrow.from, `← left at ${eventName(arrow.from)}, ${lasting(run.events[number].at - run.events[arrow.from].at)} before`));
  all.push(...leaving[number].filter((one) => one.output === null).map(arrival));
  return all.length ? [element("p", { class: "journeys" }, ...all)] : [];
}

function arrival(arrow) {
  if (arrow.to === null) return element("span", { class: arrow.lost ? "never" : "open" }, fate(arrow));
  return goTo(arrow.to, `→ ${eventName(arrow.to)}, ${lasting(run.events[arrow.to].at - run.events[arrow.from].at)} later`);
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
      const kind = output.text.startsWith("audit ") ? "audit" : undefined;
      item.append(opening(output.text, kind, place === chosen, () => [element("pre", { class: "envelope" }, indented(output.envelope))]));
    }
    if (arrow) item.append(arrival(arrow));
    return item;
  });
  return [element("h3", {}, "What the hub does"), element("ol", { class: "outputs" }, ...items)];
}

/** Something that opens; its content is made when someone looks. */
function opening(summary, kind, isOpen, content) {
  const details = element("details", { class: kind, open: isOpen ? "" : undefined }, element("summary", {}, summary));
  let isMade = false;
  const make = () => {
    if (!details.open || isMade) return;
    isMade = true;
    details.append(...content());
  };
  details.ontoggle = make;
  make();
  return details;
}

/** All rows; at the event that broke an invariant those that changed stand alone at first. */
function wholeState(number, after, isOpen) {
  const details = opening("The hub's state after it", "whole", isOpen, () => wholeTables(number, after));
  details.querySelector("summary").onclick = () => {
    view.wholeIsOpen = !details.open;
    view.whole = "";
  };
  return details;
}
