// What happened: a strip of the last half hour and a list.

import { askJson } from "./api.js";
import { keep, make, reasons, setText, when, who, words } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WINDOW = 1800; // seconds
const ALARMS = ["fall", "long_on_floor"];

export class Timeline {
  constructor(home) {
    this.home = home;
    this.events = [];
    this.recent = [];
    this.newest = -1;
    this.stamp = "";
    this.asking = false;
    this.kinds = document.getElementById("kinds");
    this.camera = document.getElementById("of-camera");
    this.older = document.getElementById("older");
    for (const name of home.cameras) this.camera.append(make("option", { value: name }, name));
    for (const select of [this.kinds, this.camera]) select.addEventListener("change", () => this.load());
    this.older.addEventListener("click", () => this.load(this.events[this.events.length - 1].id));
  }

  /** Look whether there is something new. */
  async follow(desk) {
    this.desk = desk;
    const stamp = `${desk.newest_event} ${desk.alarms.map((a) => `${a.id}${a.silenced}`).join()}`;
    if (stamp !== this.stamp && !this.asking) {
      this.asking = true;
      this.stamp = stamp;
      try {
        await this.load();
      } catch {
        this.stamp = "";
      } finally {
        this.asking = false;
      }
    }
    this.drawStrip();
  }

  async load(before = null) {
    const query = new URLSearchParams({ limit: "60" });
    for (const kind of this.kinds.value.split(",").filter(Boolean)) query.append("kinds", kind);
    if (this.camera.value) query.set("camera", this.camera.value);
    if (before !== null) query.set("before", String(before));
    const { events } = await askJson(`/api/events?${query}`);
    this.events = before === null ? events : [...this.events, ...events];
    this.older.hidden = events.length < 60;
    if (before === null) {
      const { events: recent } = await askJson("/api/events?limit=400");
      this.recent = recent;
    }
    this.list();
    this.drawStrip();
  }

  list() {
    document.getElementById("no-events").hidden = this.events.length > 0;
    keep(
      document.getElementById("events"),
      this.events,
      (event) => event.id,
      (event) =>
        make(
          "li",
          { className: `event ${rank(event.kind)}` },
          make("time", {}, when(event)),
          make(
            "div",
            {},
            make("strong", {}, event.kind === "action" ? words(event.label) : words(event.kind)),
            make("span", { className: "muted" }, ` · ${event.source}${event.person === null ? "" : `, ${who(event.person)}`}`),
            make("p", { className: "why" }, details(event)),
          ),
          make("span", { className: "mark-text" }),
        ),
      (element, event) => {
        const said = [];
        if (event.acknowledged) said.push("acknowledged");
        if (event.silenced && ALARMS.includes(event.kind)) said.push("not told");
        setText(element.querySelector(".mark-text"), said.join(", "));
      },
    );
  }

  /** How long ago an event was; null if that cannot be said (a file's, of an earlier run). */
  ago(event, at) {
    if (event.wall !== null) return this.desk.time - event.wall;
    const camera = this.desk.cameras.find((one) => one.name === event.source);
    return camera && event.id >= this.home.first_event ? camera.time - at : null;
  }

  drawStrip() {
    if (!this.desk) return;
    const place = document.getElementById("strip");
    keep(
      place,
      this.home.cameras,
      (name) => name,
      (name) => {
        const picture = document.createElementNS(SVG, "svg");
        picture.setAttribute("viewBox", "0 0 1000 26");
        picture.setAttribute("preserveAspectRatio", "none");
        picture.setAttribute("aria-hidden", "true");
        return make("div", { className: "lane" }, make("span", { className: "lane-name" }, name), picture);
      },
      (element, name) => this.lane(element.querySelector("svg"), name),
    );
    if (!document.getElementById("strip-scale")) {
      const scale = make("p", { className: "scale muted", id: "strip-scale", "aria-hidden": "true" });
      for (const text of ["30 min ago", "20", "10", "now"]) scale.append(make("span", {}, text));
      place.after(scale);
    }
  }

  lane(picture, name) {
    const shapes = [];
    for (const event of this.recent) {
      if (event.source !== name) continue;
      const begin = this.ago(event, event.start);
      if (begin === null || begin > WINDOW + 60) continue;
      const wide = event.kind === "action" ? event.end - event.start : 0;
      const x = 1000 * (1 - begin / WINDOW);
      const w = Math.max(event.kind === "action" ? 1 : 5, (1000 * wide) / WINDOW);
      shapes.push({ key: event.id, x, w, kind: rank(event.kind) });
    }
    shapes.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
    while (picture.childNodes.length > shapes.length) picture.lastChild.remove();
    for (const [i, shape] of shapes.entries()) {
      const bar = picture.childNodes[i] || picture.appendChild(document.createElementNS(SVG, "rect"));
      bar.setAttribute("class", shape.kind);
      bar.setAttribute("x", (shape.kind === "action" ? shape.x : Math.min(shape.x, 995)).toFixed(1));
      bar.setAttribute("width", shape.w.toFixed(1));
      bar.setAttribute("y", shape.kind === "action" ? "9" : "2");
      bar.setAttribute("height", shape.kind === "action" ? "8" : "22");
    }
  }
}

const ORDER = ["action", "note", "good", "warn", "alarm"];

function rank(kind) {
  if (ALARMS.includes(kind)) return "alarm";
  if (kind === "suspected_fall" || kind === "source_lost") return "warn";
  if (kind === "recovered" || kind === "source_back") return "good";
  return kind === "action" ? "action" : "note";
}

function details(event) {
  if (event.kind === "action") return `${(event.end - event.start).toFixed(1)} s, ${Math.round(100 * event.score)} % sure`;
  return reasons(event);
}
