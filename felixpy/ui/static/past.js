// The slider over history: a moment of the past is one more picture, by the same drawing.

import {ask} from "./ask.js";
import {byId} from "./dom.js";

export class Past {
  constructor({show, live, said}) {
    this.at = null; // Unix seconds; null is now
    this.asked = 0;
    Object.assign(this, {show, live, said});
    byId("past").addEventListener("click", () => this.open());
    byId("now").addEventListener("click", () => this.close());
    byId("when").addEventListener("input", () => this.tell(Number(byId("when").value)));
    byId("when").addEventListener("change", () => this.go(Number(byId("when").value)));
  }

  async open() {
    this.say("asking the nodes' logs");
    try {
      const span = await ask("span");
      if (span.begins === null) throw new Error(Object.values(span.missing)[0] ?? "no node has a log");
      const slider = byId("when");
      slider.min = Math.ceil(span.begins);
      slider.max = Math.floor(span.until);
      slider.value = slider.max;
      this.tell(Number(slider.value));
      this.hide(false);
      slider.focus();
    } catch (error) {
      this.say(`no history: ${error.message}`);
    }
  }

  async go(at) {
    const mine = ++this.asked;
    try {
      const picture = await ask("past", {at});
      if (mine !== this.asked) return;
      this.at = at;
      document.body.classList.add("past");
      this.tell(at);
      this.said(`as it was at ${time(at)}`);
      this.show(picture);
    } catch (error) {
      if (mine === this.asked) this.say(`${time(at)}: ${error.message}`);
    }
  }

  close() {
    this.asked++;
    this.at = null;
    document.body.classList.remove("past");
    this.hide(true);
    this.say("");
    byId("past").focus();
    this.live();
  }

  hide(hidden) {
    byId("when").hidden = byId("now").hidden = hidden;
    byId("past").hidden = !hidden;
  }

  tell(at) {
    byId("when").setAttribute("aria-valuetext", time(at));
    this.say(time(at));
  }

  say(text) {
    byId("moment").textContent = text;
  }
}

export function time(at) {
  return new Date(at * 1000).toLocaleString([], {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false});
}
