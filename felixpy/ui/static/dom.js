// Elements made of text. Nothing here parses markup: what resources say can only ever be text.

export function byId(id) {
  return document.getElementById(id);
}

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// A column: {title, of: row -> text or element, class: row -> class of the cell, tight}.
export function table(caption, columns, rows, empty) {
  if (!rows.length) return empty ? element("p", {class: "faint"}, empty) : element("span");
  const head = element("tr", {}, ...columns.map((it) => element("th", {scope: "col"}, it.title)));
  const body = rows.map((row) => element("tr", {}, ...columns.map((it) => cell(it, row))));
  const made = element(
    "table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", {class: "scroll"}, made);
}

function cell(column, row) {
  const value = column.of(row);
  const classes = [column.class ? column.class(row) : "", column.tight ? "tight" : ""].join(" ").trim();
  return element("td", classes ? {class: classes} : {}, ...[value].flat());
}

export function nameButton(text, act, label) {
  return element("button", {type: "button", class: "name", title: text, onclick: act, ...(label ? {"aria-label": label} : {})}, text);
}

// Puts fresh content in place of the old, with the keyboard's focus on the same control as before.
export function replaced(holder, ...children) {
  const focused = holder.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...holder.querySelectorAll("button")].indexOf(focused) : -1;
  holder.replaceChildren(...children);
  if (place >= 0) holder.querySelectorAll("button")[place]?.focus();
}

export function age(since, now) {
  if (!since) return "";
  const seconds = Math.max(0, Math.round(now - since));
  const steps = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const at = steps.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0s";
  const [size, unit] = steps[at];
  const rest = at + 1 < steps.length ? Math.floor((seconds % size) / steps[at + 1][0]) : 0;
  return `${Math.floor(seconds / size)}${unit}${rest ? `${rest}${steps[at + 1][1]}` : ""}`;
}
