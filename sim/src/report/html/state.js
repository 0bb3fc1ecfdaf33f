// The hub's tables: the rows that an event changed, and all of them.

const stamp = (milliseconds) => (milliseconds === null ? "–" : `${((milliseconds - epoch) / 1000).toFixed(3)}`);
const TABLE_HEADS = {
  addresses: ["Registry", ["address", "owner", "version", "until", "topics", "deadline"]],
  sessions: ["Sessions", ["session", "whose", "phase", "addresses", "queued", "deadlines"]],
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

/** The rows that the event changed, as they were and as they are. */
function changedTables(number, before, after) {
  const { hub } = run.events[number];
  if (!hub) return [];
  const tables = Object.keys(TABLE_HEADS).flatMap((table) => {
    const rows = sortedKeys(table, Object.keys(hub.rows[table])).flatMap((key) => changedRows(number, table, key, before, after));
    return rows.length === 0 ? [] : [tableOf(table, `changed-${table}`, rows, "")];
  });
  if (tables.length === 0) return [];
  const key = element("p", { class: "key" }, "times in seconds of the hub's clock; ",
    element("del", {}, "− before"), " ", element("ins", {}, "+ after"));
  return [element("h3", {}, "What changed"), key, ...tables];
}

function changedRows(number, table, key, before, after) {
  const cells = (state) => {
    const row = state[table].get(key);
    return row === undefined ? null : CELLS[table](key, row, state.starts);
  };
  const [was, is] = [cells(before), cells(after)];
  if (was && is && was.join("\n") === is.join("\n")) return [];
  const row = (kind, own, other) => {
    const marked = number === violated ? culprits(own, other) : [];
    return stateRow(kind, own, other, marked, neighbourCell(table, key, after.starts, number));
  };
  return [...(was ? [row("before", was, is)] : []), ...(is ? [row("after", is, was)] : [])];
}

/** The cells of a row whose change the evidence names. */
function culprits(own, other) {
  const { evidence } = run.violation;
  const names = (text) => text !== "–" && new RegExp(`(^|[^\\w.-])${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}($|[^\\w-])`).test(evidence);
  if (!other || !names(own[0])) return [];
  const [mine, theirs] = [own, other].map((cells) => cells.map((cell) => cell.split(" ")));
  const only = (these, those) => these.filter((word) => !those.includes(word));
  return own.map((_, place) => place > 0
    && [...only(mine[place], theirs[place]), ...only(theirs[place], mine[place])].some(names));
}

/** All rows after the event: they are the same until the next change of any. */
function wholeTables(number, after) {
  return Object.keys(TABLE_HEADS).map((table) => {
    const rows = sortedKeys(table, [...after[table].keys()]).map((key) =>
      stateRow("", CELLS[table](key, after[table].get(key), after.starts), null, [], writerCell(table, key, after.starts, number)));
    return tableOf(table, table, rows, ` (${rows.length})`);
  });
}

const sortedKeys = (table, keys) => keys.sort(table === "sessions" ? (one, other) => one - other : undefined);

function tableOf(table, id, rows, count) {
  const [caption, columns] = TABLE_HEADS[table];
  const headers = [...columns, table === id ? "written at" : "before, after"].map((column) => element("th", { scope: "col" }, column));
  const none = element("tr", {}, element("td", { colspan: columns.length + 2, class: "none" }, "none"));
  return element("div", { class: "scroll" }, element("table", { id }, element("caption", {}, caption + count),
    element("thead", {}, element("tr", {}, element("th", { class: "sign" }), ...headers)),
    element("tbody", {}, ...(rows.length ? rows : [none]))));
}

function stateRow(kind, cells, other, marked, writers) {
  const sign = { before: "−", after: "+" }[kind] || "";
  const differs = (place) => kind !== "" && (other === null || other[place] !== cells[place]);
  const classes = (place) => [differs(place) && "changed", marked[place] && "culprit"].filter(Boolean).join(" ") || undefined;
  return element("tr", { class: kind || undefined }, element("td", { class: "sign" }, sign),
    ...cells.map((cell, place) => element("td", { class: classes(place) }, cell)), writers);
}

/** Who wrote the row last before the event, and who does next. */
function writerCell(table, key, starts, number) {
  const { last, next } = states.writersAround(starts, table, key, number);
  return element("td", { class: "writers" }, writerLink(last, `${numberOf(last)}`, "Who last wrote this row"),
    writerLink(next, "›", "The next change of this row"));
}

/** The changes of a row that changes here, before and after. */
function neighbourCell(table, key, starts, number) {
  const { before, next } = states.writersAround(starts, table, key, number);
  return element("td", { class: "writers" }, writerLink(before, `‹ ${numberOf(before)}`, "Who last wrote this row"),
    writerLink(next, `${numberOf(next)} ›`, "The next change of this row"));
}

function writerLink(writer, text, title) {
  return writer === undefined ? "" : element("a", { class: "writer", title, href: `#event=${numberOf(writer)}` }, text);
}
