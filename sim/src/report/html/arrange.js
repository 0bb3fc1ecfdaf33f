// Where everything stands in the picture: which events have a row, how far apart, how wide each lane.

const picture = byId("picture");
const space = byId("space");

const ROW = 19;
const PAUSE = 1e6;
const BUCKET = 512;
/** Pixels of one character of a row's text. */
const CHARACTER = 7.25;
/** No picture is higher: browsers lose their precision. */
const HEIGHT_MAX = 8e6;
const duration = Math.max(run.events.at(-1)?.at ?? 0, 1);

const view = {
  timed: false, scale: 0, rows: [], y: [], pauses: [], buckets: new Map(), selected: 0,
  width: 0, left: 92, laneWidth: 20, head: 60, hits: new Set(),
};
const laneX = (lane) => view.left + view.laneWidth * (lane + 0.5);
const textX = () => view.left + view.laneWidth * run.lanes.length + 12;

/** Gives the lanes at most half of the window and the text the rest. */
function measure() {
  const width = picture.clientWidth;
  view.left = width < 600 ? 62 : 92;
  const room = width * 0.52 - view.left;
  view.laneWidth = Math.max(6, Math.min(34, room / run.lanes.length));
  view.width = Math.max(width, textX() + 150);
  space.style.width = `${view.width}px`;
}

/** As much of a text as the window shows. */
function cut(text, x) {
  const most = Math.floor((view.width - x - 6) / CHARACTER);
  return text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 1))}…`;
}

/** The scale at which the whole run is as high as the window. */
const fitting = () => Math.max(picture.clientHeight - view.head - 4 * ROW, 200) / (duration / 1e6);

/** Times in the unit that the distances have: the column's head, and the text of a time. */
function clock() {
  const fine = view.timed ? view.scale : duration < 1e6 ? 1e5 : 1e3;
  const [unit, per] = fine < 2e3 ? ["seconds", 1e6] : fine < 2e6 ? ["ms", 1e3] : ["µs", 1];
  const digits = Math.max(0, Math.min(3, Math.ceil(Math.log10(fine * per / 1e6))));
  return { unit, text: (microseconds) => (microseconds / per).toFixed(per === 1 ? 0 : digits) };
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
  space.style.height = `${view.height + view.head}px`;
}

function fillBuckets() {
  view.buckets = new Map();
  for (const arrow of run.arrows) {
    const arrives = arrow.to !== null;
    if (!view.shown.has(arrow.from) || (arrives && !view.shown.has(arrow.to))) continue;
    if (!view.led && !view.types.has(arrow.type)) continue;
    const top = view.y[arrow.from];
    const bottom = arrives ? view.y[arrow.to] : top + ROW;
    for (let b = Math.floor(top / BUCKET); b <= Math.floor(bottom / BUCKET); b += 1) {
      if (!view.buckets.has(b)) view.buckets.set(b, []);
      view.buckets.get(b).push(arrow);
    }
  }
}

/** The place of the first of the rows that is not above `y`. */
const rowAt = (y) => firstNotBefore(view.rows, y, (number) => view.y[number]);
/** The place among the rows of this event, or of the next one that is shown. */
const rowOf = (number) => firstNotBefore(view.rows, number, (row) => row);

function yAt(time) {
  if (view.timed) return ROW + (time / 1e6) * view.scale;
  const row = view.rows[firstNotBefore(view.rows, time, (number) => run.events[number].at)];
  return row === undefined ? view.height - ROW : view.y[row];
}

function reveal(number) {
  const height = picture.clientHeight - view.head;
  const y = view.y[number];
  const [top, bottom] = [picture.scrollTop + 2 * ROW, picture.scrollTop + height - 3 * ROW];
  if (y < top || y > bottom) picture.scrollTop = y - height / 2;
}
