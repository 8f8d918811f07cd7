// The page: one picture that lives, four panels, and what the user chose, kept in the address behind #.

import * as answers from "./answers.js";
import {ask, follow} from "./ask.js";
import {byId, element, replaced} from "./dom.js";
import {Drawing, lineText, spotText} from "./drawing.js";
import {network} from "./network.js";
import {Past, time} from "./past.js";

const TABS = ["network", "node", "prefix", "trace"];
const AGAIN_MS = 5000; // an open node is asked again as long as nothing else happens
let picture = null; // that is shown
let newest = null; // that the server told last
let states = new Map(); // of boxes and lines before the last change
let asked = 0;
let shownNode = "";
const drawing = new Drawing(byId("picture"), {open: (id) => go("node", {name: id}), said: say});
const past = new Past({show: draw, live: () => newest && draw(newest), said: say});
const acts = {
  open: (id) => go("node", {name: id}),
  prefix: (text) => go("prefix", {prefix: text}),
  end: (which, pod) => {
    byId(`trace-${which}`).value = pod;
    if (byId("trace-from").value && byId("trace-to").value) go("trace", {from: byId("trace-from").value, to: byId("trace-to").value});
    else show("trace");
  },
};

function say(text) {
  byId("said").textContent = text;
}

function go(tab, given) {
  const next = `#${new URLSearchParams({show: tab, ...given})}`;
  if (location.hash === next) act();
  else location.hash = next;
}

function show(tab) {
  for (const name of TABS) {
    const chosen = name === tab;
    byId(`tab-${name}`).setAttribute("aria-selected", chosen);
    byId(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    byId(`${name}-panel`).hidden = !chosen;
  }
  if (tab === "network") tables();
}

function given() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

async function act() {
  const {show: tab = "network", ...rest} = given();
  show(TABS.includes(tab) ? tab : "network");
  if (tab === "node" && rest.name) return openNode(rest.name, rest.find ?? "");
  drawing.choose(null, false);
  drawing.reveal(null, null);
  if (tab === "prefix" && rest.prefix) return openPrefix(rest.prefix);
  if (tab === "trace" && rest.from && rest.to) return openTrace(rest.from, rest.to);
  if (tab === "network") drawing.mark(null);
  return undefined;
}

// Only the newest question's answer is shown, whatever order they come in.
async function answered(holder, question, fill) {
  const mine = ++asked;
  holder.setAttribute("aria-busy", "true");
  try {
    const story = await question;
    if (mine === asked) replaced(holder, ...fill(story));
  } catch (error) {
    if (mine === asked) replaced(holder, element("p", {class: "said", role: "alert"}, error.message));
  } finally {
    holder.removeAttribute("aria-busy");
  }
}

async function openNode(name, find) {
  if (shownNode !== name) drawing.mark(null);
  shownNode = name;
  drawing.choose(name, false);
  byId("node-name").value = name;
  byId("node-find").value = find;
  const spot = picture?.spots.find((it) => it.id === name);
  if (spot && spot.role !== "node") {
    const ends = picture.lines.filter((it) => it.source === name || it.target === name);
    replaced(byId("node-answer"), element("h3", {}, spot.name), element("p", {}, `${spot.runs}; none of our daemons runs there.`),
      element("ul", {}, ...ends.map((it) => element("li", {}, lineText(it)))));
    return;
  }
  await answered(byId("node-answer"), ask("node", past.at === null ? {name, find} : {name, find, at: past.at}), (story) => {
    drawing.reveal(name, picture.hidden ? story.sessions : null);
    return answers.node(story, acts);
  });
}

async function openPrefix(text) {
  if (past.at !== null) return past.close(); // asked of now, and comes back here
  byId("prefix").value = text;
  drawing.mark(null);
  await answered(byId("prefix-answer"), ask("prefix", {prefix: text}), (story) => {
    const owners = story.announcers.filter((it) => it.own).map((it) => it.id);
    drawing.mark({spots: story.spots, lines: story.lines.map((id) => ({id, from: ""})), owners});
    say(owners.length ? `${story.prefix} lives on ${owners.join(", ")}` : `${story.prefix}: nobody announces it as its own`);
    return answers.prefix(story, acts);
  });
  return undefined;
}

async function openTrace(from, to) {
  if (past.at !== null) return past.close();
  byId("trace-from").value = from;
  byId("trace-to").value = to;
  drawing.mark(null);
  await answered(byId("trace-answer"), ask("trace", {from, to}), (story) => {
    drawing.mark(answers.marks(story));
    const bad = [story.there, story.back].find((it) => !it.trace.arrives);
    say(bad ? `fails at ${bad.failed_at}` : `arrives, both ways, by ${story.there.spots.join(", ")}`);
    return answers.trace(story);
  });
  return undefined;
}

function changed(news) {
  if (news.whole) newest = news.whole;
  else merge(newest, news);
  if (past.at !== null) return seen(news);
  if (news.whole) return draw(newest);
  tell(news);
  drawing.changes(news);
  const {show: tab, name, find} = given();
  if (tab === "node" && name) openNode(name, find ?? "");
  describe();
  return seen(news);
}

function draw(whole) {
  picture = whole;
  byId("network").textContent = picture.name;
  document.title = `${picture.name}: felixpy`;
  byId("node-name").replaceChildren(...picture.spots.map((it) => element("option", {value: it.id}, it.name)));
  drawing.whole(picture);
  act();
  describe();
  seen(newest);
}

function merge(into, news) {
  const merged = (list, fresh) => {
    const byName = new Map([...list, ...fresh].map((it) => [it.id, it]));
    return [...byName.values()].filter((it) => !news.gone.includes(it.id));
  };
  states = new Map([...into.spots, ...into.lines].map((it) => [it.id, it.state]));
  into.spots = merged(into.spots, news.spots);
  into.lines = merged(into.lines, news.lines);
  into.troubled = news.troubled ?? into.troubled;
  into.missing = news.missing ?? into.missing;
  into.taken = news.taken;
  if (news.totals) [into.sessions, into.up, into.hidden] = news.totals;
}

// Into the reader's ear: what changed its state, not every number.
function tell(news) {
  const turned = (it) => states.get(it.id) !== it.state;
  const said = [...news.spots.filter(turned).map(spotText), ...news.lines.filter(turned).map(lineText)];
  if (said.length) say(said.slice(0, 4).join("; ") + (said.length > 4 ? ` and ${said.length - 4} more` : ""));
}

function describe() {
  const nodes = picture.spots.filter((it) => it.role === "node");
  const ill = nodes.filter((it) => it.state !== "fine").length;
  const totals = `${nodes.length} nodes${ill ? `, ${ill} not ready` : ""}; ${picture.up} of ${picture.sessions} session ends up`;
  byId("totals").textContent = totals;
  byId("picture").setAttribute("aria-label", `Topology: ${totals}`);
  tables();
}

function tables() {
  if (picture && !byId("network-panel").hidden) replaced(byId("network-panel"), ...network(picture, acts));
}

function seen({taken}) {
  const live = byId("live");
  live.textContent = past.at !== null ? `as of ${time(past.at)}` : `live, seen ${new Date(taken * 1000).toLocaleTimeString([], {hour12: false})}`;
  live.className = past.at !== null ? "waiting" : "fine";
  byId("picture").dataset.taken = taken;
}

function ill(text, kind) {
  byId("live").textContent = text;
  byId("live").className = kind;
}

function tabKeys(event) {
  const at = TABS.findIndex((name) => `tab-${name}` === event.target.id);
  const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = TABS.at(to % TABS.length);
  show(next);
  byId(`tab-${next}`).focus();
}

for (const name of TABS) {
  byId(`tab-${name}`).addEventListener("click", () => show(name));
  byId(`tab-${name}`).addEventListener("keydown", tabKeys);
}
for (const [tab, fields] of [["node", {name: "node-name", find: "node-find"}], ["prefix", {prefix: "prefix"}], ["trace", {from: "trace-from", to: "trace-to"}]]) {
  byId(`${tab}-form`).addEventListener("submit", (event) => {
    event.preventDefault();
    go(tab, Object.fromEntries(Object.entries(fields).map(([key, id]) => [key, byId(id).value.trim()])));
  });
}
byId("trace-panel").addEventListener("focusin", async () => {
  const {pods} = await ask("pods").catch(() => ({pods: []}));
  byId("pods").replaceChildren(...pods.map((it) => element("option", {value: it})));
}, {once: true});
byId("fit").addEventListener("click", () => drawing.fit());
byId("closer").addEventListener("click", () => drawing.zoom(1.25));
byId("farther").addEventListener("click", () => drawing.zoom(0.8));
addEventListener("hashchange", act);
setInterval(() => {
  const {show: tab, name, find} = given();
  if (tab === "node" && name && !document.hidden && byId("node-panel").hidden === false) openNode(name, find ?? "");
}, AGAIN_MS);
show("network");
follow({changed, seen, trouble: (text) => ill(`not known now: ${text}`, "bad"), lost: () => ill("connection lost, trying again", "waiting")});
