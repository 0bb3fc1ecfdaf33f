// The picture: only what the window shows is ever drawn.

const picture = document.getElementById("picture");
const space = document.getElementById("space");
const heads = document.getElementById("heads");
const lines = document.getElementById("lines");

const ROW = 19;
const PAUSE = 1e6;
const BUCKET = 512;
const HEAD = 76;
const LEFT = 92;
const FINEST = 900;

const view = { timed: false, scale: 400, rows: [], y: [], heights: [], buckets: new Map(), selected: 0 };
const laneWidth = Math.max(15, Math.min(32, Math.floor(560 / run.lanes.length)));
const laneX = (lane) => LEFT + laneWidth * (lane + 0.5);
const textX = LEFT + laneWidth * run.lanes.length + 14;
const WIDTH = textX + 620;
const violated = run.violation ? run.violation.event : -1;

const isData = (type) => !type.startsWith("hub:") && !type.startsWith("(") && !/^p[io]ng$/.test(type);
function arrowClass(arrow) {
  if (arrow.to === null && !arrow.lost) return "open";
  if (arrow.type === "(connection)") return "end";
  if (arrow.type === "hub:error") return "refused";
  return isData(arrow.type) ? "data" : "own";
}

/** Gives every event its place. Events that are filtered out lie where the next one is. */
function arrange(isShown) {
  view.rows = [];
  view.y = new Array(run.events.length);
  view.pauses = [];
  let y = ROW;
  let last = null;
  run.events.forEach((event, number) => {
    const shown = isShown(event, number);
    if (view.timed) y = ROW + (event.at / 1e6) * view.scale;
    else if (shown && last !== null && event.at - last > PAUSE) {
      view.pauses.push({ y: y - 3, lasts: event.at - last });
      y += ROW;
    }
    view.y[number] = y;
    if (!shown) return;
    view.rows.push(number);
    last = event.at;
    if (!view.timed) y += ROW;
  });
  view.shown = new Set(view.rows);
  view.height = y + 3 * ROW;
  view.faults = run.faults.map((fault) => ({
    fault,
    top: view.y[fault.event],
    bottom: Math.max(yAt(fault.until), view.y[fault.event] + 6),
  }));
  fillBuckets();
  space.style.height = `${view.height + HEAD}px`;
  space.style.width = `${WIDTH}px`;
}

function fillBuckets() {
  view.buckets = new Map();
  for (const arrow of run.arrows) {
    const arrives = arrow.to !== null;
    if (!view.shown.has(arrow.from) || (arrives && !view.shown.has(arrow.to))) continue;
    if (!view.types.has(arrow.type)) continue;
    const top = view.y[arrow.from];
    const bottom = arrives ? view.y[arrow.to] : top + ROW;
    for (let b = Math.floor(top / BUCKET); b <= Math.floor(bottom / BUCKET); b += 1) {
      if (!view.buckets.has(b)) view.buckets.set(b, []);
      view.buckets.get(b).push(arrow);
    }
  }
}

/** The first of the rows that is not above `y`. */
function rowAt(y) {
  let [low, high] = [0, view.rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.y[view.rows[middle]] < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

function yAt(time) {
  if (view.timed) return ROW + (time / 1e6) * view.scale;
  let [low, high] = [0, view.rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.events[view.rows[middle]].at < time) low = middle + 1;
    else high = middle;
  }
  return low < view.rows.length ? view.y[view.rows[low]] : view.height - ROW;
}

function drawHeads() {
  furnish(heads, { width: WIDTH, height: HEAD }, []);
  heads.append(drawn("text", { x: 8, y: HEAD - 10, class: "unit" }, "seconds"));
  run.actors.forEach((actor, number) => {
    const own = run.lanes.flatMap((lane, place) => (lane.actor === number ? [place] : []));
    const [from, to] = [laneX(own[0]) - laneWidth / 2, laneX(own.at(-1)) + laneWidth / 2];
    heads.append(drawn("rect", { class: "band", x: from + 2, y: 2, width: to - from - 4, height: HEAD - 4, rx: 4 }));
  });
  run.lanes.forEach((lane, place) => {
    const name = lane.actor !== null && lane.name.includes("#") ? `#${lane.name.split("#").pop()}` : lane.name;
    const kind = place === run.hub ? "hub" : lane.name.includes("#") ? "connection" : "actor";
    const x = laneX(place);
    const label = drawn("text", { class: `lane ${kind}`, "data-lane": lane.name, transform: `translate(${x + 4} ${HEAD - 8}) rotate(-90)` }, name);
    label.append(drawn("title", {}, laneTitle(lane, kind)));
    heads.append(label);
  });
}

function laneTitle(lane, kind) {
  if (kind === "hub") return "The hub: every message passes through it.";
  if (kind === "actor") return `${lane.name}: what befalls the actor's host and clients.`;
  const [client, connection] = lane.name.split(/\.(?=\d+$)/);
  const until = lane.lost === null ? "the end" : `${seconds(lane.lost)} s`;
  return `Connection ${connection} of client ${client}, from ${seconds(lane.opened || 0)} s to ${until}.`;
}

function draw() {
  const height = Math.max(picture.clientHeight - HEAD, 50);
  const top = picture.scrollTop;
  furnish(lines, { width: WIDTH, height, viewBox: `0 ${top} ${WIDTH} ${height}` }, []);
  const parts = [];
  const bottom = top + height;
  drawFaults(parts, top, bottom);
  drawWait(parts, top, bottom);
  drawLanes(parts, top, bottom);
  for (const pause of view.pauses) {
    if (pause.y < top - ROW || pause.y > bottom) continue;
    parts.push(drawn("text", { class: "pause", x: 78, y: pause.y + ROW / 2 }, `⋮ ${seconds(pause.lasts, 1)} s`));
  }
  const { grounds, rows } = rowParts(top, bottom);
  parts.push(...grounds);
  drawArrows(parts, top, bottom);
  parts.push(...rows);
  lines.replaceChildren(...parts);
}

function drawFaults(parts, top, bottom) {
  for (const { fault, top: from, bottom: to } of view.faults) {
    if (to < top || from > bottom) continue;
    const title = `${fault.id}: ${fault.text}\nfrom ${seconds(fault.from)} s to ${seconds(fault.until)} s; ${
      fault.tookEffect === null ? "made no difference" : `took effect at ${seconds(fault.tookEffect)} s`}`;
    for (const lane of fault.lanes) {
      const own = run.lanes[lane].actor;
      const width = own === null ? 1 : run.lanes.filter((other) => other.actor === own).length;
      const box = { x: laneX(lane) - laneWidth / 2 + 3, y: Math.max(from, top - 20), width: width * laneWidth - 6 };
      const height = Math.min(to, bottom + 20) - box.y;
      const kind = fault.tookEffect === null ? "fault" : "fault took";
      parts.push(drawn("rect", { ...box, height, class: kind, "data-event": fault.event, rx: 3 }, drawn("title", {}, title)));
    }
  }
}

/** What was waited for in vain, from its beginning to the end of the run. */
function drawWait(parts, top, bottom) {
  const wait = run.violation?.wait;
  if (!wait || view.y[violated] > bottom) return;
  const y = Math.max(view.y[violated], top - 20);
  const x = laneX(run.events[violated].lane) - laneWidth / 2 + 3;
  const title = `${run.violation.evidence}\nwaited for from ${seconds(wait.from)} s to ${seconds(wait.until)} s`;
  parts.push(drawn("rect", { class: "wait", x, y, width: laneWidth - 6, height: Math.max(Math.min(view.height, bottom + 20) - y, 0), rx: 3, "data-event": violated },
    drawn("title", {}, title)));
}

function drawLanes(parts, top, bottom) {
  run.lanes.forEach((lane, place) => {
    const isConnection = lane.name.includes("#");
    const from = isConnection && lane.opened !== null ? yAt(lane.opened) : 0;
    const to = lane.lost !== null ? yAt(lane.lost) : view.height;
    if (to < top || from > bottom) return;
    const kind = place === run.hub ? "hub" : isConnection ? "connection" : "actor";
    const x = laneX(place);
    parts.push(drawn("line", { class: `lane ${kind}`, x1: x, x2: x, y1: Math.max(from, top - 9), y2: Math.min(to, bottom + 9) }));
  });
}

function drawArrows(parts, top, bottom) {
  const seen = new Set();
  for (let b = Math.floor(top / BUCKET) - 1; b <= Math.floor(bottom / BUCKET); b += 1) {
    for (const arrow of view.buckets.get(b) || []) seen.add(arrow);
  }
  const coarse = seen.size > FINEST;
  const paths = new Map();
  for (const arrow of seen) {
    const path = arrowPath(arrow);
    const kind = `arrow ${arrowClass(arrow)}`;
    const isChosen = arrow.from === view.selected || arrow.to === view.selected;
    if (coarse && !isChosen) {
      paths.set(kind, (paths.get(kind) || "") + path.line);
      continue;
    }
    const group = drawn("g", { "data-event": arrow.from, "data-output": arrow.output ?? undefined, class: isChosen ? "chosen" : undefined },
      drawn("path", { class: "wide", d: path.line }), drawn("path", { class: kind, d: path.line }), drawn("title", {}, arrowTitle(arrow)));
    if (path.cross) group.append(drawn("path", { class: "lost", d: path.cross }));
    parts.push(group);
  }
  for (const [kind, d] of paths) parts.push(drawn("path", { class: kind, d }));
}

function arrowPath(arrow) {
  const [x1, y1] = [laneX(arrow.toHub ? arrow.lane : run.hub), view.y[arrow.from]];
  const target = laneX(arrow.toHub ? run.hub : arrow.lane);
  if (arrow.to === null) {
    const [x, y] = [x1 + (target - x1) * 0.6, y1 + ROW * 0.5];
    return { line: `M${x1} ${y1}L${x} ${y}`, cross: arrow.lost && `M${x - 4} ${y - 4}l8 8m0-8l-8 8` };
  }
  const y2 = view.y[arrow.to];
  const length = Math.hypot(target - x1, y2 - y1) || 1;
  const [dx, dy] = [(target - x1) / length, (y2 - y1) / length];
  const wing = (side) => `${(target - 8 * dx + side * 3.5 * dy).toFixed(1)} ${(y2 - 8 * dy - side * 3.5 * dx).toFixed(1)}`;
  return { line: `M${x1} ${y1}L${target} ${y2}L${wing(1)}M${target} ${y2}L${wing(-1)}` };
}

function arrowTitle(arrow) {
  const [from, to] = arrow.toHub ? [run.lanes[arrow.lane].name, "the hub"] : ["the hub", run.lanes[arrow.lane].name];
  const sent = run.events[arrow.from].at;
  const what = arrow.type === "(connection)" ? "the end of the connection" : arrow.type;
  const came = arrow.lost ? "it did not arrive" : arrow.to === null ? "under way when the run stops" : `arrives after ${((run.events[arrow.to].at - sent) / 1000).toFixed(1)} ms`;
  return `${what}: ${from} to ${to}, at ${seconds(sent)} s; ${came}`;
}

/** Two layers: what lies under the arrows, and what lies on them. */
function rowParts(top, bottom) {
  const [grounds, rows] = [[], []];
  let free = -Infinity;
  for (let place = rowAt(top - ROW); place < view.rows.length; place += 1) {
    const number = view.rows[place];
    const [event, y] = [run.events[number], view.y[number]];
    if (y > bottom + ROW) break;
    const hasText = y - free >= (view.timed ? 13 : 0) || number === view.selected || number === violated;
    if (hasText) free = y;
    const marks = [event.kind, number === view.selected && "selected", number === violated && "violated"];
    const kind = marks.filter(Boolean).join(" ");
    const title = `${eventName(number)}: ${event.text}`;
    const row = drawn("g", { class: `row ${kind}`, "data-event": number });
    if (hasText) {
      grounds.push(drawn("rect", { class: `ground ${kind}`, "data-event": number, x: 0, y: y - ROW / 2, width: WIDTH, height: ROW },
        drawn("title", {}, title)));
    }
    if (event.kind === "run") row.append(drawn("line", { class: "milestone", x1: 0, x2: WIDTH, y1: y, y2: y }));
    row.append(drawn("circle", { cx: laneX(event.lane), cy: y, r: event.kind === "hub" ? 3.4 : 2.8 }));
    if (hasText) {
      row.append(drawn("text", { class: "time", x: 78, y: y + 4 }, seconds(event.at)));
      const said = number === violated ? `✗ ${run.violation.invariant}: ${event.text}` : event.text;
      row.append(drawn("text", { class: "said", x: textX, y: y + 4 }, said));
    }
    row.append(drawn("title", {}, title));
    rows.push(row);
  }
  return { grounds, rows };
}

function reveal(number) {
  const height = picture.clientHeight - HEAD;
  const y = view.y[number];
  const [top, bottom] = [picture.scrollTop + 2 * ROW, picture.scrollTop + height - 3 * ROW];
  if (y < top || y > bottom) picture.scrollTop = y - height / 2;
}
