// The whole run in a strip beside the picture: how dense events are, faults, what was found, what broke.

const map = byId("map");
const layer = document.createElement("canvas");
let palette = {};

/** Draws what only a new arrangement, search or theme changes. */
function buildMap() {
  const height = picture.clientHeight;
  for (const canvas of [map, layer]) Object.assign(canvas, { width: map.clientWidth, height });
  const style = getComputedStyle(document.documentElement);
  const color = (name) => resolved(style.getPropertyValue(`--${name}`));
  palette = { ink: color("faint"), fault: color("fault-edge"), pale: color("line"), wrong: color("wrong"), hit: color("hit"), chosen: color("data") };
  const context = layer.getContext("2d");
  const { width } = layer;
  for (const { fault, top, bottom } of view.faults) {
    context.fillStyle = fault.tookEffect === null ? palette.pale : palette.fault;
    context.fillRect(0, mapY(top), 4, Math.max(mapY(bottom) - mapY(top), 2));
  }
  const density = new Uint32Array(height + 1);
  for (const number of view.rows) density[Math.round(mapY(view.y[number]))] += 1;
  const most = density.reduce((one, other) => Math.max(one, other), 1);
  context.fillStyle = palette.pale;
  density.forEach((count, y) => count && context.fillRect(5, y, 2 + (width - 8) * 0.5 * (count / most), 1));
  for (const number of view.rows) if (run.events[number].kind === "run") mark(context, number, palette.ink, 5, 1);
  for (const number of view.hits) mark(context, number, palette.hit, width / 2, 2);
  if (violated >= 0) {
    const from = mapY(view.y[violated]);
    context.fillStyle = palette.wrong;
    context.fillRect(0, from - 1, width, 3);
    if (run.violation.wait) context.fillRect(width - 3, from, 3, height - from);
  }
}

/** A color as canvases understand it: a variable may hold a choice between two. */
function resolved(text) {
  const probe = element("span", { style: `color: ${text}` });
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const mapY = (y) => (y / Math.max(view.height, 1)) * layer.height;

function mark(context, number, color, x, height) {
  context.fillStyle = color;
  context.fillRect(x, mapY(view.y[number]) - height / 2, map.width - x, height);
}

/** The strip with what the window shows of it. */
function drawMap(top, bottom) {
  const context = map.getContext("2d");
  if (!layer.width || !layer.height) return;
  context.clearRect(0, 0, map.width, map.height);
  context.drawImage(layer, 0, 0);
  mark(context, view.selected, palette.chosen, 0, 2);
  context.strokeStyle = palette.chosen;
  context.lineWidth = 1;
  context.strokeRect(0.5, Math.round(mapY(top)) + 0.5, map.width - 1, Math.max(mapY(bottom) - mapY(top), 4));
}

const goWhereMapShows = (event) => {
  if (event.buttons !== 1) return;
  const y = (event.offsetY / map.clientHeight) * view.height;
  picture.scrollTop = y - (picture.clientHeight - view.head) / 2;
};
map.addEventListener("pointermove", goWhereMapShows);
map.addEventListener("pointerdown", (event) => {
  map.setPointerCapture(event.pointerId);
  goWhereMapShows(event);
});
