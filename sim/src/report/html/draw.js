// The picture: only what the window shows is ever drawn.

const lines = byId("lines");
const FINEST = 900;

const isData = (type) => !type.startsWith("hub:") && !type.startsWith("(") && !/^p[io]ng$/.test(type);
function arrowClass(arrow) {
  if (arrow.to === null && !arrow.lost) return "open";
  if (arrow.type === "(connection)") return "end";
  if (arrow.type === "hub:error") return "refused";
  return isData(arrow.type) ? "data" : "own";
}

function draw() {
  const height = Math.max(picture.clientHeight - view.head, 50);
  const top = picture.scrollTop;
  furnish(lines, { width: view.width, height, viewBox: `0 ${top} ${view.width} ${height}` }, []);
  const parts = [];
  const bottom = top + height;
  drawFaults(parts, top, bottom);
  drawWait(parts, top, bottom);
  drawLanes(parts, top, bottom);
  for (const pause of view.pauses) {
    if (pause.y < top - ROW || pause.y > bottom) continue;
    parts.push(drawn("text", { class: "pause", x: view.left - 14, y: pause.y + ROW / 2 }, `⋮ ${lasting(pause.lasts)}`));
  }
  const { grounds, rows } = rowParts(top, bottom);
  parts.push(...grounds);
  drawArrows(parts, top, bottom);
  parts.push(...rows);
  lines.replaceChildren(...parts);
  drawMap(top, bottom);
}

function drawFaults(parts, top, bottom) {
  for (const { fault, top: from, bottom: to } of view.faults) {
    if (to < top || from > bottom) continue;
    const title = `${fault.id}: ${fault.text}\nfrom ${seconds(fault.from)} s to ${seconds(fault.until)} s; ${
      fault.tookEffect === null ? "made no difference" : `took effect at ${seconds(fault.tookEffect)} s`}`;
    for (const lane of fault.lanes) {
      const own = run.lanes[lane].actor;
      const count = own === null ? 1 : run.lanes.filter((other) => other.actor === own).length;
      const kind = fault.tookEffect === null ? "fault" : "fault took";
      parts.push(span(kind, lane, count, Math.max(from, top - 20), Math.min(to, bottom + 20), fault.event, title));
    }
  }
}

/** What was waited for in vain, from its beginning to the end of the run. */
function drawWait(parts, top, bottom) {
  const wait = run.violation?.wait;
  if (!wait || view.y[violated] > bottom) return;
  const title = `${run.violation.evidence}\nwaited for from ${seconds(wait.from)} s to ${seconds(wait.until)} s`;
  const from = Math.max(view.y[violated], top - 20);
  const { lane } = run.events[violated];
  parts.push(span("wait", lane, 1, from, Math.min(view.height, bottom + 20), violated, title));
  const end = drawn("text", { class: "in-vain", x: textX(), y: view.height - ROW }, `in vain for ${lasting(wait.until - wait.from)}`);
  if (view.height - ROW < bottom) parts.push(end);
}

function span(kind, lane, laneCount, y, bottom, event, title) {
  const inset = Math.min(3, view.laneWidth / 6);
  const x = laneX(lane) - view.laneWidth / 2 + inset;
  const width = laneCount * view.laneWidth - 2 * inset;
  return drawn("rect", { class: kind, x, y, width, height: Math.max(bottom - y, 0), rx: 3, "data-event": event },
    drawn("title", {}, title));
}

function drawLanes(parts, top, bottom) {
  run.lanes.forEach((lane, place) => {
    const from = lane.kind === "connection" && lane.opened !== null ? yAt(lane.opened) : 0;
    const to = lane.lost !== null ? yAt(lane.lost) : view.height;
    if (to < top || from > bottom) return;
    const x = laneX(place);
    parts.push(drawn("line", { class: `lane ${lane.kind}`, x1: x, x2: x, y1: Math.max(from, top - 9), y2: Math.min(to, bottom + 9) }));
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
    const group = drawn("g", { "data-event": arrow.from, "data-arrow": arrow.place, "data-output": arrow.output ?? undefined, class: isChosen ? "chosen" : undefined },
      drawn("path", { class: "wide", d: path.line }), drawn("path", { class: kind, d: path.line }));
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

/** What the pointer is on, in full. */
function titleOf(drawing) {
  const { arrow, event } = drawing.dataset;
  if (arrow !== undefined) return arrowTitle(run.arrows[arrow]);
  return drawing.querySelector("title") ? "" : `${eventName(Number(event))}: ${run.events[event].text}`;
}

function arrowTitle(arrow) {
  const [from, to] = arrow.toHub ? [run.lanes[arrow.lane].name, "the hub"] : ["the hub", run.lanes[arrow.lane].name];
  const sent = run.events[arrow.from].at;
  const what = arrow.type === "(connection)" ? "the end of the connection" : arrow.type;
  return `${what}: ${from} to ${to}, at ${seconds(sent)} s; ${fate(arrow)}`;
}

/** What became of an arrow. */
function fate(arrow) {
  if (arrow.lost) return "never arrives";
  if (arrow.to === null) return "under way when the run stops";
  return `arrives ${lasting(run.events[arrow.to].at - run.events[arrow.from].at)} later`;
}

/** Two layers: what lies under the arrows, and what lies on them. */
function rowParts(top, bottom) {
  const [grounds, rows] = [[], []];
  const [times, x] = [clock(), textX()];
  let free = -Infinity;
  for (let place = rowAt(top - ROW); place < view.rows.length; place += 1) {
    const number = view.rows[place];
    const [event, y] = [run.events[number], view.y[number]];
    if (y > bottom + ROW) break;
    const isMarked = number === view.selected || number === violated;
    const hasText = y - free >= (view.timed ? 13 : 0) || isMarked;
    if (hasText) free = y;
    const marks = [event.kind, number === view.selected && "selected", number === violated && "violated", view.hits.has(number) && "hit"];
    const kind = marks.filter(Boolean).join(" ");
    const row = drawn("g", { class: `row ${kind}`, "data-event": number });
    if (hasText) {
      grounds.push(drawn("rect", { class: `ground ${kind}`, "data-event": number, x: 0, y: y - ROW / 2, width: view.width, height: ROW }));
    }
    if (event.kind === "run") row.append(drawn("line", { class: "milestone", x1: 0, x2: view.width, y1: y, y2: y }));
    row.append(drawn("circle", { cx: laneX(event.lane), cy: y, r: event.kind === "hub" ? 3.4 : 2.8 }));
    if (hasText) {
      row.append(drawn("text", { class: "time", x: view.left - 14, y: y + 4 }, times.text(event.at)));
      row.append(drawn("text", { class: "said", x, y: y + 4 }, cut(rowText(number), x)));
    }
    rows.push(row);
  }
  return { grounds, rows };
}

function rowText(number) {
  const { text } = run.events[number];
  if (number !== violated) return text;
  return run.violation.wait ? `✗ waited in vain from here on: ${text}` : `✗ ${text}`;
}
