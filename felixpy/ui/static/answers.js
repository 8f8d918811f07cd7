// What the server said of one node, one prefix, one trace.

import {age, element, nameButton, table} from "./dom.js";
import {sessionColumns} from "./network.js";

const KERNEL = {yes: "good", no: "bad", "not known": "so-so"};

export function node(story, acts) {
  const now = story.taken;
  const routes = table(
    `Routes: ${story.routes.length}${story.total > story.routes.length ? ` of ${story.total}, narrow them with Find` : ""}`, [
      {title: "Prefix", of: (it) => nameButton(it.prefix, () => acts.prefix(it.prefix), `Show ${it.prefix} on all nodes`), tight: true},
      {title: "Way", of: (it) => (it.kind === "blackhole" ? ["blackhole"] : it.ways).map((way) => element("div", {}, way)), class: () => "loose"},
      {title: "From", of: (it) => [it.origin, it.as_path.length ? `AS path ${it.as_path.join(" ")}` : "", it.decided_by && `decided: ${it.decided_by}`]
        .filter(Boolean).map((line) => element("div", {}, line)), class: () => "loose origin"},
      {title: "Since", of: (it) => age(it.since, now), tight: true},
      {title: "Kernel", of: (it) => it.kernel, class: (it) => KERNEL[it.kernel], tight: true},
      ...(story.routes.some((it) => it.why) ? [{title: "Why", of: (it) => it.why, class: () => "loose"}] : []),
    ], story.routes, "No route fits.");
  const pods = table("Pods", [
    {title: "Pod", of: (it) => it.pod},
    {title: "Address", of: (it) => it.addresses.join(", ")},
    {title: "State", of: (it) => it.state + (it.reason ? `: ${it.reason}` : ""), class: (it) => (it.state === "up" ? "good" : "bad")},
    {title: "Trace", of: (it) => element("span", {}, nameButton("from", () => acts.end("from", it.pod), `Trace from ${it.pod}`), " ", nameButton("to", () => acts.end("to", it.pod), `Trace to ${it.pod}`)), tight: true},
  ], story.endpoints);
  return [
    element("h3", {}, `${story.name}${story.runs ? `, ${story.runs}` : ""}`),
    ...story.conditions.map((it) => element("p", {class: "said"}, it)),
    ...missing(story.missing), routes, table("Sessions", sessionColumns(acts, now, false), story.sessions), pods];
}

export function prefix(story, acts) {
  const announcers = table("Who announces it", [
    {title: "Name", of: (it) => nameButton(it.id, () => acts.open(it.id), `Show ${it.id}`)},
    {title: "Prefix", of: (it) => it.prefix, tight: true},
    {title: "How", of: (it) => (it.own ? "it lives there" : "passes it on")},
    {title: "Heard by", of: (it) => it.to.join(", ")},
  ], story.announcers, "Nobody announces it.");
  const rows = story.nodes.flatMap((it) => it.paths.map((path) => ({at: it, path})));
  const paths = table("What every node has", [
    {title: "", of: ({path}) => (path.best ? "\u2605" : path.accepted ? "" : "\u2715"), class: ({path}) => (path.best ? "good" : path.accepted ? "" : "bad")},
    {title: "Node", of: ({at}) => nameButton(at.node, () => acts.open(at.node), `Show ${at.node}`)},
    ...(story.nodes.every((it) => it.prefix === story.prefix) ? [] : [{title: "Prefix", of: ({at}) => at.prefix, tight: true}]),
    {title: "From", of: ({path}) => (path.source === "own" ? "itself" : path.peer)},
    {title: "Next hop", of: ({path}) => path.next_hop, tight: true},
    {title: "AS path", of: ({path}) => path.as_path.join(" ")},
    {title: "Since", of: ({path}) => age(path.since, story.taken), tight: true},
    {title: "Kernel", of: ({at, path}) => (path.best ? at.kernel : ""), class: ({at, path}) => (path.best ? KERNEL[at.kernel] : "")},
    {title: "Why", of: ({at, path}) => (path.best ? `wins: ${[at.decided_by, at.why].filter(Boolean).join("; ")}` : path.reason)},
  ], rows, "No node knows a path to it.");
  return [element("h3", {}, story.prefix), ...missing(story.missing), announcers, paths];
}

export function trace(story) {
  return [...missing(story.missing), ...direction("There", story.there), ...direction("Back", story.back)];
}

function direction(title, way) {
  const {source, destination, stations, arrives, mtu} = way.trace;
  const list = element("ol", {class: "stations"});
  let node = "";
  for (const it of stations) {
    if (it.node !== node) list.append(element("li", {class: "at"}, it.node || "nowhere"));
    node = it.node;
    list.append(element("li", it.passed ? {} : {class: "failed"}, `${it.what}: ${it.text}`));
  }
  const failure = stations.find((it) => !it.passed);
  const verdict = arrives ? `arrives${mtu ? `, MTU ${mtu}` : ""}` : `fails at ${failure?.node || source.address}, ${failure?.what}: ${failure?.text}`;
  return [
    element("h3", {}, `${title}: ${source.name} to ${destination.name}`),
    element("p", {class: arrives ? "said good" : "said"}, verdict, failure?.fix ? element("br") : "", failure?.fix ? `Fix: ${failure.fix}` : ""), list];
}

function missing(said) {
  return Object.entries(said).map(([who, why]) => element("p", {class: "said"}, `not asked: ${who}: ${why}`));
}

// A trace on the picture: each line with the box from which it is gone along.
export function marks(story) {
  const ways = [story.there, story.back];
  const lines = [];
  for (const way of ways) way.lines.forEach((id, at) => lines.push({id, from: way.spots[at]}));
  return {spots: [...new Set(ways.flatMap((it) => it.spots))], lines, failed: ways.map((it) => it.failed_at).filter(Boolean)};
}
