// How cameras and channels are.

import { make, setText, span } from "./dom.js";

const HEADS = ["Camera", "State", "Frames/s", "Delay", "Dropped", "Last frame"];

export class Health {
  constructor(place) {
    this.place = place;
    this.rows = new Map();
    this.body = make("tbody");
    this.channels = make("ul", { className: "channels" });
    this.up = make("p", { className: "muted" });
    const head = make("tr", {}, ...HEADS.map((text) => make("th", { scope: "col" }, text)));
    const table = make("table", {}, make("thead", {}, head), this.body);
    place.append(table, this.channels, this.up);
  }

  show(desk) {
    for (const camera of desk.cameras) {
      let row = this.rows.get(camera.name);
      if (!row) {
        const cells = HEADS.slice(1).map((text) => make("td", { "data-head": text }));
        row = make("tr", {}, make("th", { scope: "row" }, camera.name), ...cells);
        this.rows.set(camera.name, row);
        this.body.append(row);
      }
      const share = camera.dropped / Math.max(1, camera.dropped + camera.frames);
      const values = [
        camera.state,
        camera.fps.toFixed(1),
        `${Math.round(1000 * camera.delay)} ms`,
        `${camera.dropped} (${Math.round(100 * share)} %)`,
        camera.age === null ? "none yet" : camera.age < 2 ? "now" : `${span(camera.age)} ago`,
      ];
      for (const [i, value] of values.entries()) setText(row.cells[i + 1], value);
      row.cells[1].className = `state ${camera.state}`;
    }
    const said = Object.entries(desk.channels).map(([name, channel]) => {
      if (!channel.owed) return `${name}: everything has arrived`;
      return `${name}: ${channel.owed} alarm${channel.owed > 1 ? "s" : ""} not delivered yet${channel.error ? ` (${channel.error})` : ""}`;
    });
    if (desk.log.unwritten) said.push(`The log cannot be written (${desk.log.error}): ${desk.log.unwritten} events wait, not delivered yet`);
    if (!said.length) said.push("No channel is configured: alarms are shown here and in the log only.");
    while (this.channels.children.length > said.length) this.channels.lastChild.remove();
    for (const [i, text] of said.entries()) {
      const item = this.channels.children[i] || this.channels.appendChild(make("li"));
      setText(item, text);
      item.classList.toggle("error", text.includes("not delivered"));
    }
    setText(this.up, `Running for ${span(desk.up)}`);
  }
}
