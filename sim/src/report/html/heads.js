// The heads of the lanes: names stand upright, on as many lines as they need.

const heads = byId("heads");
const LINE = 16;

/** The lanes of one actor each, and the hub's. */
function laneGroups() {
  const groups = [];
  run.lanes.forEach((lane, place) => {
    if (lane.kind === "connection") groups.at(-1).last = place;
    else groups.push({ name: lane.name, kind: lane.kind, first: place, last: place });
  });
  return groups;
}

/** Puts each name on the first line where it touches no other. */
function lineUp(groups) {
  const ends = [];
  for (const group of groups) {
    group.x = laneX(group.first) - view.laneWidth / 2 + 2;
    const free = ends.findIndex((end) => end <= group.x);
    group.line = free < 0 ? ends.length : free;
    ends[group.line] = group.x + group.name.length * CHARACTER + 8;
  }
  return ends.length;
}

function drawHeads() {
  const groups = laneGroups();
  const lineCount = lineUp(groups);
  const labels = lineCount * LINE + 4;
  view.head = labels + LINE + 4;
  const parts = [drawn("text", { x: 8, y: view.head - 7, class: "unit" }, clock().unit)];
  for (const { name, kind, first, last, x, line } of groups) {
    const width = view.laneWidth * (last - first + 1) - 4;
    const y = line * LINE + 13;
    parts.push(drawn("rect", { class: `band ${kind}`, x, y: labels, width: Math.max(width, 2), height: LINE, rx: 2 }));
    parts.push(drawn("line", { class: "leader", x1: x + 0.5, x2: x + 0.5, y1: y - 8, y2: labels }));
    parts.push(drawn("text", { class: `lane ${kind}`, "data-lane": name, x: x + 3, y },
      name, drawn("title", {}, laneTitle(run.lanes[first]))));
  }
  run.lanes.forEach((lane, place) => {
    if (lane.kind !== "connection") return;
    const text = connectionLabel(lane);
    parts.push(drawn("text", { class: "lane connection", "data-lane": lane.name, x: laneX(place), y: view.head - 8 },
      text, drawn("title", {}, laneTitle(lane))));
  });
  furnish(heads, { width: view.width, height: view.head }, []).replaceChildren(...parts);
  byId("lines").style.top = `${view.head}px`;
}

/** `#1.2` of alice#1.2; shorter where lanes are narrow. */
function connectionLabel(lane) {
  const whole = lane.name.slice(lane.name.search(/[#/][^#/]*$/));
  const most = Math.floor((view.laneWidth - 4) / 6.1);
  if (whole.length <= most) return whole;
  return whole.length - 1 <= most ? whole.slice(1) : "";
}

function laneTitle(lane) {
  if (lane.kind === "hub") return "The hub: every message passes through it.";
  if (lane.kind === "actor") return `${lane.name}: what befalls the actor's host and clients.`;
  const [client, connection] = lane.name.split(/\.(?=\d+$)/);
  const until = lane.lost === null ? "the end" : `${seconds(lane.lost)} s`;
  return `Connection ${connection} of client ${client}, from ${seconds(lane.opened || 0)} s to ${until}.`;
}
