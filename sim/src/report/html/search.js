// Looks for a text in everything that is known of each event.

const searchField = byId("search");
let haystacks = null;
let found = [];

/** All texts in small letters, made when somebody first looks for something. */
function texts() {
  haystacks ??= run.events.map((event) => {
    const outputs = event.hub ? event.hub.outputs.map((output) => `${output.text}\n${output.envelope ?? ""}`) : [];
    return [event.text, event.envelope ?? "", ...outputs].join("\n").toLowerCase();
  });
  return haystacks;
}

function search() {
  const wanted = searchField.value.trim().toLowerCase();
  found = [];
  if (wanted !== "") texts().forEach((text, number) => text.includes(wanted) && found.push(number));
  view.hits = new Set(found);
  tellFound();
  buildMap();
  draw();
}

function tellFound() {
  const place = found.indexOf(view.selected) + 1;
  byId("found").textContent = searchField.value.trim() === "" ? "" : `${place || "–"} of ${found.length}`;
}

/** Chooses the next hit in a direction, round the ends. */
function seek(by) {
  if (found.length === 0) return;
  const at = firstNotBefore(found, view.selected, (number) => number);
  const next = by > 0 ? at + (found[at] === view.selected ? 1 : 0) : at - 1;
  choose(found[(next + found.length) % found.length]);
  tellFound();
}

searchField.addEventListener("input", search);
searchField.addEventListener("keydown", (event) => {
  if (event.key === "Enter") seek(event.shiftKey ? -1 : 1);
  if (event.key !== "Escape") return;
  searchField.value = "";
  search();
  picture.focus();
});
byId("found-next").onclick = () => seek(1);
byId("found-previous").onclick = () => seek(-1);
