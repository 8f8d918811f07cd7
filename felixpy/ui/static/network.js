// The tables that say the same as the picture.

import {age, element, nameButton, table} from "./dom.js";

const STATES = {fine: ["ready", "good"], trouble: ["\u25B2 trouble", "so-so"], silent: ["\u2715 silent", "bad"], plain: ["", ""]};
export const SESSION = {up: ["up", "good"], down: ["\u2715 down", "bad"], held: ["\u2016 held down", "so-so"], none: ["", ""]};

export function network(picture, acts) {
  const routed = picture.spots.some((it) => it.rack);
  const boxes = table("Nodes", [
    {title: "Name", of: (it) => nameButton(it.name, () => acts.open(it.id), `Show ${it.name}`), tight: true},
    ...(routed ? [{title: "Rack", of: (it) => it.rack}] : []),
    {title: "Is", of: (it) => (it.role === "node" ? "node" : it.runs)},
    {title: "Sessions up", of: (it) => (it.sessions ? `${it.up}/${it.sessions}` : ""), class: (it) => (it.up < it.sessions ? "bad" : ""), tight: true},
    {title: "Pods up", of: (it) => (it.pods ? `${it.pods_up}/${it.pods}` : ""), tight: true},
    {title: "State", of: (it) => STATES[it.state][0], class: (it) => STATES[it.state][1], tight: true},
    {title: "Trouble", of: (it) => it.trouble},
  ], [...picture.spots].sort((one, other) => (other.role === "node") - (one.role === "node")));
  const more = picture.sessions - picture.up > picture.troubled.length ? ` (the first ${picture.troubled.length})` : "";
  const troubled = table(`Sessions that are not up${more}`, sessionColumns(acts, picture.taken, true), picture.troubled,
    picture.sessions ? "Every session is up." : "No node told of any session.");
  const lines = table("Links", [
    {title: "From", of: (it) => it.source + (it.ends[0] ? `:${it.ends[0]}` : "")},
    {title: "To", of: (it) => it.target + (it.ends[1] ? `:${it.ends[1]}` : "")},
    {title: "Kind", of: (it) => (it.cable ? "cable" : "session only")},
    {title: "Session", of: (it) => (it.state === "none" ? "none of ours" : SESSION[it.state][0]), class: (it) => SESSION[it.state][1], tight: true},
  ], picture.lines);
  const missing = table("Who did not answer", [{title: "Who", of: ([who]) => who}, {title: "Why", of: ([, why]) => why}], Object.entries(picture.missing));
  const hidden = picture.hidden ? element("p", {class: "faint"}, `${picture.hidden} pairs without a cable have all their sessions up and are not drawn; those of the node that is shown are.`) : "";
  return [troubled, missing, boxes, hidden, lines];
}

export function sessionColumns(acts, now, withNode) {
  return [
    ...(withNode ? [{title: "Node", of: (it) => nameButton(it.node, () => acts.open(it.node), `Show ${it.node}`)}] : []),
    {title: "Peer", of: (it) => (it.peer && it.peer !== it.address ? `${it.peer} (${it.address})` : it.address)},
    {title: "Type", of: (it) => it.type},
    {title: "AS", of: (it) => it.asn, tight: true},
    {title: "State", of: (it) => SESSION[it.state][0] + (it.state === "down" ? ` (${it.said})` : ""), class: (it) => SESSION[it.state][1]},
    {title: "Since", of: (it) => age(it.since, now), tight: true},
    {title: "Reason", of: (it) => it.reason},
  ];
}
