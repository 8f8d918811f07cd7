// The picture itself: boxes and lines by cytoscape, at the places that the server worked out.

import cytoscape from "./vendor/cytoscape.esm.min.mjs";

const SHAPES = {node: "round-rectangle", router: "cut-rectangle", switch: "rectangle", host: "ellipse", peer: "cut-rectangle"};
const MARKS = {trouble: "\u25B2 ", silent: "\u2715 "};
const LINE_MARKS = {down: "\u2715", held: "\u2016"};
const FONT = 'system-ui, "DejaVu Sans", sans-serif';
const SMALL = 100; // boxes narrower than this say only their name

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "faint", "rule", "paper", "accent", "up", "down", "held", "none", "node", "router", "host", "peer", "frame", "focus"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function styles() {
  const c = colours();
  const dashes = {down: [9, 6], held: [2, 6]};
  return [
    {selector: "*", style: {"font-family": FONT, "z-index-compare": "manual", "min-zoomed-font-size": 5}},
    {selector: "node", style: {
      width: "data(width)", height: "data(height)", shape: "data(shape)", label: "data(text)", color: c.ink,
      "text-valign": "center", "text-halign": "center", "text-wrap": "wrap", "font-size": "data(font)", "line-height": 1.25,
      "background-color": (it) => c[{switch: "router"}[it.data("role")] ?? it.data("role")] ?? c.host,
      "border-width": 2, "border-color": c.none, "z-index": 20}},
    {selector: "node.rack", style: {
      label: "data(text)", "background-color": c.frame, "border-color": c.rule, "border-width": 1, events: "no",
      "text-valign": "top", "text-halign": "right", "text-margin-x": (it) => 14 - it.data("width"), "text-margin-y": 24,
      "text-wrap": "ellipsis", "text-max-width": (it) => it.data("width") - 28,
      color: c.faint, "font-size": 13, "z-index": 0}},
    {selector: "node.peer", style: {"border-style": "dashed"}},
    {selector: "node.fine", style: {"border-color": c.up}},
    {selector: "node.trouble", style: {"border-color": c.held, "border-width": 5, "border-style": "double"}},
    {selector: "node.silent", style: {"border-color": c.down, "border-width": 3, "border-style": "dashed"}},
    {selector: "edge", style: {
      width: (it) => (it.data("fine") ? 1.6 : 2.5), "curve-style": "straight", "line-color": c.none, "z-index": 5, "font-size": 15, "font-weight": "bold",
      "text-background-color": c.paper, "text-background-opacity": 1, "text-background-padding": 1, label: "data(text)", color: c.ink}},
    {selector: "edge.doubled", style: {"curve-style": "bezier"}},
    {selector: "edge.free", style: {
      width: 1.8, opacity: 0.75, "curve-style": "unbundled-bezier", "control-point-distances": "data(bend)", "control-point-weights": 0.5}},
    {selector: "edge.turning", style: {
      "curve-style": "segments", "segment-weights": "data(weights)", "segment-distances": "data(distances)", "edge-distances": "node-position",
      "source-endpoint": "outside-to-node-or-label", "target-endpoint": "data(end)"}},
    {selector: "edge.up", style: {"line-color": c.up}},
    {selector: "edge.none", style: {width: 1.5}},
    ...Object.entries(dashes).map(([state, dashed]) => ({selector: `edge.${state}`, style: {
      "line-color": c[state], "line-style": "dashed", "line-dash-pattern": dashed, "line-cap": state === "held" ? "round" : "butt",
      color: c[state], width: 4, opacity: 1, "z-index": 8}})),
    {selector: "edge.free.down, edge.free.held", style: {"z-index": 30}},
    {selector: ".dim", style: {opacity: 0.28}},
    {selector: "edge.way", style: {width: 6, "line-color": c.accent, "line-style": "solid", "z-index": 10, opacity: 1, "arrow-scale": 1.3}},
    {selector: "edge.free.way", style: {"z-index": 30}},
    {selector: "edge.forth", style: {"target-arrow-shape": "triangle", "target-arrow-color": c.accent}},
    {selector: "edge.back", style: {"source-arrow-shape": "triangle", "source-arrow-color": c.accent}},
    {selector: "node.way", style: {"border-color": c.accent, "border-width": 4, "border-style": "solid"}},
    {selector: "node.failed", style: {"border-color": c.down, "border-width": 6, "border-style": "dashed"}},
    {selector: "node.owner", style: {"border-color": c.accent, "border-width": 7, "border-style": "double"}},
    {selector: "node.changed, edge.changed", style: {"underlay-color": c.held, "underlay-opacity": 0.35, "underlay-padding": 7}},
    {selector: "node.chosen", style: {"underlay-color": c.accent, "underlay-opacity": 0.35, "underlay-padding": 7}},
    {selector: "node.at", style: {"underlay-color": c.focus, "underlay-opacity": 0.55, "underlay-padding": 6}},
  ];
}

export class Drawing {
  constructor(holder, {open, said}) {
    this.holder = holder;
    this.open = open;
    this.said = said;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.cy = cytoscape({container: holder, style: styles(), autoungrabify: true, boxSelectionEnabled: false, minZoom: 0.1, maxZoom: 4, selectionType: "single"});
    this.cy.on("tap", "node", (event) => this.choose(event.target.id(), true));
    this.cy.on("tap", "edge", (event) => said(lineText(event.target.data("line"))));
    this.cy.on("pan zoom", () => { this.moved = !this.fitting; });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.cy.style(styles()));
    new ResizeObserver(() => { this.cy.resize(); if (!this.moved) this.fit(); }).observe(holder);
    holder.addEventListener("keydown", (event) => this.key(event));
    holder.addEventListener("blur", () => this.cy.nodes(".at").removeClass("at"));
    holder.addEventListener("focus", () => this.stand(this.at ?? this.chosen ?? this.cy.nodes(".spot").first().id()));
  }

  whole(picture) {
    this.spots = new Map(picture.spots.map((it) => [it.id, it]));
    const elements = [
      ...picture.racks.map((it) => ({
        group: "nodes", classes: "rack", position: {x: it.x + it.width / 2, y: it.y + it.height / 2},
        data: {id: it.id, text: it.name ? `rack ${it.name}` : "", width: it.width, height: it.height, shape: "round-rectangle", role: "rack", font: 13}})),
      ...picture.spots.map(spotElement), ...picture.lines.map((it) => lineElement(it, this.spots))];
    this.cy.batch(() => {
      this.cy.elements().remove();
      this.cy.add(elements);
      this.double();
    });
    this.cy.one("render", () => performance.mark("drawn"));
    this.fit();
    this.mark(this.marked);
    if (this.chosen) this.choose(this.chosen, false);
  }

  changes(news) {
    this.cy.one("render", () => performance.mark("redrawn"));
    this.cy.batch(() => {
      for (const id of news.gone) this.cy.getElementById(id).remove();
      for (const it of [...news.spots.map(spotElement), ...news.lines.map((it) => lineElement(it, this.spots))]) {
        const drawn = this.cy.getElementById(it.data.id);
        if (drawn.empty()) { this.cy.add(it); continue; }
        const kept = drawn.classes().filter((name) => ["way", "forth", "back", "dim", "chosen", "at", "owner", "failed", "doubled"].includes(name));
        drawn.data(it.data);
        drawn.classes([...it.classes.split(" "), ...kept]);
        if (!this.calm.matches) this.flash(drawn);
      }
    });
  }

  // The sessions of one node that are too many to be drawn for all; null: none of them.
  reveal(name, sessions) {
    this.cy.batch(() => {
      this.cy.edges(".revealed").remove();
      const from = this.cy.getElementById(name ?? "");
      for (const it of sessions ?? []) {
        const to = this.cy.getElementById(it.peer);
        if (from.empty() || to.empty() || from.edgesWith(to).nonempty()) continue;
        const line = {id: `revealed:${it.peer}`, source: name, target: it.peer, cable: false, state: it.state, ends: ["", ""], bend: 24, corners: []};
        const made = lineElement(line, this.spots);
        this.cy.add({...made, classes: `${made.classes} revealed`});
      }
    });
  }

  flash(drawn) {
    drawn.addClass("changed");
    setTimeout(() => drawn.removeClass("changed"), 1500);
  }

  double() {
    const pairs = new Map();
    this.cy.edges(".cable").forEach((edge) => {
      const key = [edge.source().id(), edge.target().id()].sort().join("\n");
      pairs.set(key, [...(pairs.get(key) ?? []), edge]);
    });
    for (const edges of pairs.values()) if (edges.length > 1) edges.forEach((edge) => edge.addClass("doubled"));
  }

  fit() {
    this.fitting = true;
    this.cy.fit(undefined, 24);
    if (this.cy.zoom() > 1.25) { this.cy.zoom(1.25); this.cy.center(); }
    this.fitting = false;
    this.moved = false;
  }

  zoom(factor) {
    this.cy.zoom({level: this.cy.zoom() * factor, renderedPosition: {x: this.cy.width() / 2, y: this.cy.height() / 2}});
  }

  choose(id, opened) {
    this.cy.nodes(".chosen").removeClass("chosen");
    this.chosen = id;
    if (id) this.cy.getElementById(id).addClass("chosen");
    if (id && opened) this.open(id);
  }

  // {spots, lines: [{id, forth, back}], owners, failed} or null: all else becomes faint.
  mark(marked) {
    this.marked = marked;
    this.cy.batch(() => {
      this.cy.elements().removeClass("way forth back dim owner failed");
      if (!marked) return;
      this.cy.elements().not(".rack").addClass("dim");
      const show = (id, classes) => this.cy.getElementById(id).removeClass("dim").addClass(classes);
      for (const id of marked.spots) show(id, "way");
      for (const id of marked.owners ?? []) show(id, "owner");
      for (const id of marked.failed ?? []) show(id, "failed");
      for (const {id, from} of marked.lines) {
        const edge = show(id, "way");
        if (edge.nonempty() && from) edge.addClass(edge.source().id() === from ? "forth" : "back");
      }
    });
  }

  stand(id) {
    this.cy.nodes(".at").removeClass("at");
    const node = id ? this.cy.getElementById(id) : this.cy.collection();
    if (node.empty()) return;
    this.at = id;
    node.addClass("at");
    this.said(spotText(node.data("spot")));
  }

  key(event) {
    const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const acts = {
      Enter: () => this.choose(this.at, true), " ": () => this.choose(this.at, true), "+": () => this.zoom(1.25), "-": () => this.zoom(0.8),
      0: () => this.fit(), Escape: () => { this.mark(null); this.choose(null, false); }};
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (steps[event.key]) this.stand(this.nearest(...steps[event.key]));
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }

  nearest(right, down) {
    const here = this.cy.getElementById(this.at ?? "");
    if (here.empty()) return this.cy.nodes(".spot").first().id();
    const from = here.position();
    let best = this.at, least = Infinity;
    this.cy.nodes(".spot").forEach((node) => {
      const x = node.position().x - from.x, y = node.position().y - from.y;
      const ahead = right * x + down * y, aside = Math.abs(right * y) + Math.abs(down * x);
      if (ahead > 1 && ahead + 2 * aside < least) { least = ahead + 2 * aside; best = node.id(); }
    });
    return best;
  }
}

function spotElement(it) {
  const small = it.width < SMALL;
  const mark = MARKS[it.state] ?? "";
  const label = small && mark && it.label.length > 5 ? `\u2026${it.label.slice(-4)}` : it.label;
  const text = small ? `${mark}${label}` : `${mark}${label}\n${it.line}`;
  return {
    group: "nodes", classes: `spot ${it.role} ${it.state}`, position: {x: it.x, y: it.y},
    data: {id: it.id, spot: it, text, width: it.width, height: it.height, role: it.role, shape: SHAPES[it.role] ?? "rectangle", font: 13}};
}

function lineElement(it, spots) {
  const turns = it.corners.length ? turning(it, spots) : {};
  return {
    group: "edges", classes: `${it.cable ? "cable" : "free"}${it.corners.length ? " turning" : ""} ${it.state}`,
    data: {id: it.id, source: it.source, target: it.target, line: it, bend: it.bend, text: LINE_MARKS[it.state] ?? "", fine: spots.get(it.source)?.width < SMALL, ...turns}};
}

// The corners as cytoscape wants them: how far along the straight line, and how far beside it.
function turning(it, spots) {
  const from = spots.get(it.source), to = spots.get(it.target);
  const x = to.x - from.x, y = to.y - from.y, length = Math.hypot(x, y);
  return {
    weights: it.corners.map(([cx, cy]) => ((cx - from.x) * x + (cy - from.y) * y) / length ** 2),
    distances: it.corners.map(([cx, cy]) => ((cy - from.y) * x - (cx - from.x) * y) / length),
    end: `${(it.side * to.width) / 2}px 0px`};
}

export function spotText(it) {
  const pods = it.pods ? `, ${it.pods} pods` : "";
  const trouble = it.trouble ? `, ${it.state}: ${it.trouble}` : it.state === "plain" ? "" : ", ready";
  return `${it.name}, ${it.runs}${it.sessions ? `, ${it.up} of ${it.sessions} sessions up` : ""}${pods}${trouble}`;
}

export function lineText(it) {
  const between = `${it.source}${it.ends[0] ? `:${it.ends[0]}` : ""} to ${it.target}${it.ends[1] ? `:${it.ends[1]}` : ""}`;
  return it.state === "none" ? `${between}: a cable, no session of ours` : `${between}: session ${it.state}`;
}
