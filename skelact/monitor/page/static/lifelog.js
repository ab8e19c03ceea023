// What everybody did on a day: a lane for each person, and how long in all.

import { askJson } from "./api.js";
import { keep, make, setText, span, words } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const AGAIN = 60; // seconds after which the day that goes on is asked for again
const N_COLOURS = 8; // of page.css, from the most frequent activity on

export class LifeLog {
  constructor() {
    this.day = document.getElementById("day");
    this.alone = document.getElementById("alone");
    this.asked = -Infinity;
    this.newest = -1;
    for (const input of [this.day, this.alone]) input.addEventListener("change", () => this.load());
    document.getElementById("day-before").addEventListener("click", () => this.turn(-1));
    document.getElementById("day-after").addEventListener("click", () => this.turn(1));
  }

  /** Ask again now and then, if there is something new. */
  follow(desk) {
    if (desk.newest_event === this.newest || desk.time - this.asked < AGAIN) return;
    this.newest = desk.newest_event;
    this.asked = desk.time;
    this.load().catch(() => (this.asked = -Infinity));
  }

  turn(days) {
    const day = new Date(`${this.day.value || new Date().toISOString().slice(0, 10)}T12:00:00Z`);
    day.setUTCDate(day.getUTCDate() + days);
    this.day.value = day.toISOString().slice(0, 10);
    this.load();
  }

  async load() {
    const query = new URLSearchParams({ alone: this.alone.value });
    if (this.day.value) query.set("day", this.day.value);
    this.show(await askJson(`/api/lifelog?${query}`));
  }

  show(day) {
    const people = day.people || [];
    if (!this.day.value && day.day && !day.own_time) this.day.value = day.day;
    document.getElementById("no-day").hidden = people.length > 0 || (day.alarms || []).length > 0;
    const table = document.getElementById("activities");
    const trends = (day.trends || []).filter((one) => one.seconds > 0 || one.usual);
    table.hidden = trends.length === 0;
    const colour = new Map(trends.map((one, i) => [one.label, Math.min(i, N_COLOURS - 1)]));
    this.lanes(day, people, colour);
    keep(
      table.tBodies[0],
      trends,
      (one) => one.label,
      () =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, make("i", { "aria-hidden": "true" }), make("span")),
          ...["Time", "Times", "Usual"].map((head) => make("td", { "data-head": head })),
        ),
      (row, one) => {
        row.querySelector("i").className = `chip c${colour.get(one.label)}`;
        setText(row.querySelector("span"), words(one.label));
        setText(row.cells[1], span(one.seconds));
        setText(row.cells[2], String(one.times));
        setText(row.cells[3], one.usual === null ? "–" : `${span(one.usual)} (${span(one.lowest)} to ${span(one.highest)})`);
      },
    );
    const alarms = day.alarms || [];
    const said = alarms.map((one) => `${words(one.kind)} ${clock(day, one.start)}, ${one.source}`);
    setText(document.getElementById("day-alarms"), said.join("; "));
  }

  lanes(day, people, colour) {
    const [first, last] = day.own_time ? ownHours(people) : [day.begin, day.end];
    keep(
      document.getElementById("lanes"),
      people,
      (one) => one.person,
      (one) => {
        const picture = document.createElementNS(SVG, "svg");
        picture.setAttribute("viewBox", "0 0 1000 26");
        picture.setAttribute("preserveAspectRatio", "none");
        picture.setAttribute("aria-hidden", "true");
        return make("div", { className: "lane" }, make("span", { className: "lane-name" }, one.person), picture);
      },
      (element, one) => {
        const picture = element.querySelector("svg");
        picture.replaceChildren();
        for (const [label, start, end] of one.spans) {
          const bar = picture.appendChild(document.createElementNS(SVG, "rect"));
          const title = bar.appendChild(document.createElementNS(SVG, "title"));
          title.textContent = `${words(label)}, ${clock(day, start)} to ${clock(day, end)}`;
          bar.setAttribute("class", `c${colour.get(label) ?? N_COLOURS - 1}`);
          bar.setAttribute("x", ((1000 * (start - first)) / (last - first)).toFixed(2));
          bar.setAttribute("width", Math.max(0.7, (1000 * (end - start)) / (last - first)).toFixed(2));
          bar.setAttribute("y", "4");
          bar.setAttribute("height", "18");
        }
      },
    );
    document.getElementById("lanes-scale")?.remove();
    if (!people.length) return;
    const scale = make("p", { className: "scale muted", id: "lanes-scale", "aria-hidden": "true" });
    for (const k of [0, 1, 2, 3, 4]) scale.append(make("span", {}, clock(day, first + (k * (last - first)) / 4, false)));
    document.getElementById("lanes").after(scale);
  }
}

function ownHours(people) {
  const times = people.flatMap((one) => one.spans.flatMap(([, start, end]) => [start, end]));
  return [Math.min(...times), Math.max(...times, Math.min(...times) + 1)];
}

/** A moment of the day in hours and minutes, and seconds; of a file in minutes and seconds. */
function clock(day, time, seconds = true) {
  if (day.own_time) {
    const s = Math.round(time);
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }
  const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) };
  return new Date(1000 * time).toLocaleTimeString([], form);
}
