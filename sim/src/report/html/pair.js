// Two pages side by side: what is chosen in one is chosen in the other, and the first difference is found.

const byId = (id) => document.getElementById(id);
const frames = JSON.parse(byId("pages").textContent).map((page) => {
  const frame = document.createElement("iframe");
  frame.title = "A run";
  frame.srcdoc = page;
  document.querySelector("main").append(frame);
  return frame;
});

/** What an event is, whatever the ids, numbers of sessions and times of its run. */
function sameness(run, event) {
  const text = event.text.replace(/\bs\d+\b/g, "s").replace(/[0-9a-f]{8}[0-9a-f-]*/g, "id").replace(/\d+(\.\d+)?(ms|µs|s)\b/g, "time");
  return `${event.kind} ${run.lanes[event.lane].name} ${text}`;
}

/** For each event of one run its place in the other: the same thing, for as often as it came up before. */
function pairUp(one, other) {
  const places = new Map();
  const key = (seen, run, event) => {
    const same = sameness(run, event);
    const count = (seen.get(same) || 0) + 1;
    seen.set(same, count);
    return `${count} ${same}`;
  };
  const [seenThere, seenHere] = [new Map(), new Map()];
  other.events.forEach((event, place) => places.set(key(seenThere, other, event), place));
  return one.events.map((event) => places.get(key(seenHere, one, event)));
}

const UNTOLD = new Set(["(queue written)", "(sign of life)"]);
const isTold = (event) => ["client", "hub", "step"].includes(event.kind) && !event.types.some((type) => UNTOLD.has(type));

function compare(pages) {
  const runs = pages.map((page) => page.run);
  const places = [pairUp(runs[0], runs[1]), pairUp(runs[1], runs[0])];
  /** For each run its first event that the other has not, or -1. */
  const alone = runs.map((run, side) => run.events.findIndex((event, place) => isTold(event) && places[side][place] === undefined));
  tell(runs, alone);
  /** The event of the other run that is the same, or the nearest before it. */
  const counterpart = (side, place) => {
    let nearest = place;
    while (nearest > 0 && places[side][nearest] === undefined) nearest -= 1;
    return places[side][nearest] ?? 0;
  };
  let isFollowing = false;
  const alongside = (act) => {
    isFollowing = true;
    act();
    isFollowing = false;
  };
  pages.forEach((page, side) => page.onChoose((place) => {
    if (isFollowing || !byId("together").checked) return;
    alongside(() => pages[1 - side].choose(counterpart(side, place)));
  }));
  byId("difference").onclick = () => alongside(() => {
    pages.forEach((page, side) => page.choose(alone[side] >= 0 ? alone[side] : counterpart(1 - side, alone[1 - side])));
  });
}

function tell(runs, alone) {
  const isSame = alone.every((place) => place < 0);
  byId("verdict").textContent = isSame ? "Both runs show the same." : "The runs differ.";
  byId("difference").disabled = isSame;
  const only = ["left", "right"].map((side, n) => alone[n] >= 0 && `only ${side}: event ${runs[n].skipped + alone[n] + 1}`);
  byId("said").textContent = only.filter(Boolean).join(", ");
  byId("commands").textContent = runs.map((run) => run.command).join("  |  ");
}

const opened = frames.map((frame) => new Promise((done) => { frame.onload = () => done(frame.contentWindow.page); }));
Promise.all(opened).then(compare);
