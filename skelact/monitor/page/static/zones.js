// Draw zones over a camera's view: with a pointer, or with the keyboard alone.

import { askJson } from "./api.js";
import { keep, make, say, setText } from "./dom.js";
import { ZONES } from "./draw.js";

const KINDS = {
  bed: "Bed (lying is no fall)",
  sofa: "Sofa (lying is no fall)",
  floor: "Floor (named in alarms)",
  door: "Door (named in alarms)",
  ignore: "Ignore (nobody counts)",
};
const STEP = 0.02;
const NEAR = 16; // pixels
const HELP =
  "Add corners with a click or tap; click the first corner again to close. With the keyboard: arrows move the cross " +
  "(with Shift in small steps), Space adds a corner, Enter closes, Backspace takes the last corner back, Escape stops.";

export class ZoneEditor {
  constructor(card, keeps) {
    this.card = card;
    this.keeps = keeps;
    this.view = card.view;
    this.zones = [];
    this.dragged = null;
    this.build();
    const { canvas } = card;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", () => (this.dragged = null));
    canvas.addEventListener("pointercancel", () => (this.dragged = null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  build() {
    const id = this.card.id;
    this.kind = make("select", { id: `${id}-kind`, onchange: () => this.changed() });
    for (const [kind, text] of Object.entries(KINDS)) this.kind.append(make("option", { value: kind }, text));
    this.drawButton = make("button", { type: "button", onclick: () => this.begin() }, "Draw zone");
    this.help = make("p", { className: "muted", id: `${id}-help` }, HELP);
    this.list = make("ul", { className: "zone-list" });
    this.status = make("p", { className: "status", role: "status" });
    this.error = make("p", { className: "error", role: "alert" });
    this.card.panel.append(
      make("h4", {}, `Zones of ${this.card.name}`),
      make("div", { className: "row" }, make("label", { for: `${id}-kind` }, "New zone"), this.kind, this.drawButton),
      this.help,
      this.list,
      this.error,
      this.status,
      make(
        "div",
        { className: "row" },
        make("button", { type: "button", className: "main", onclick: () => this.save() }, "Save zones"),
        make("button", { type: "button", className: "quiet", onclick: () => this.close() }, "Cancel"),
      ),
    );
  }

  toggle() {
    if (this.view.editor) this.close();
    else this.open();
  }

  async open() {
    let kept = this.view.zones;
    try {
      kept = (await askJson("/api/zones")).zones[this.card.name] || {};
    } catch (error) {
      say(error.message);
    }
    this.before = kept;
    this.zones = Object.entries(kept).map(([name, zone], i) => ({ ...structuredClone(zone), name, key: i }));
    this.list.replaceChildren(); // its rows are of the zones of another time
    this.view.editor = { corners: [], cursor: null, kind: this.kind.value, drawing: false };
    this.card.panel.hidden = false;
    this.card.zonesButton.setAttribute("aria-expanded", "true");
    this.card.canvas.setAttribute("aria-label", `Zones of ${this.card.name}`);
    this.card.canvas.setAttribute("aria-describedby", this.help.id);
    this.card.canvas.setAttribute("role", "application");
    this.card.canvas.tabIndex = 0;
    this.card.canvas.classList.add("editing");
    setText(this.status, this.keeps ? "" : "Without a configuration file zones last until skelact monitor ends.");
    setText(this.error, "");
    this.show();
    this.drawButton.focus();
  }

  close(zones = this.before) {
    this.view.editor = null;
    this.view.zones = zones;
    this.card.panel.hidden = true;
    this.card.zonesButton.setAttribute("aria-expanded", "false");
    this.card.canvas.removeAttribute("tabindex");
    this.card.canvas.removeAttribute("aria-describedby");
    this.card.canvas.setAttribute("role", "img");
    this.card.canvas.classList.remove("editing");
    this.view.draw();
    this.card.zonesButton.focus();
  }

  begin() {
    Object.assign(this.view.editor, { corners: [], cursor: [0.5, 0.5], kind: this.kind.value, drawing: true });
    setText(this.status, "Add the first corner.");
    this.card.canvas.focus({ preventScroll: true });
    this.card.canvas.scrollIntoView({ block: "nearest", behavior: "instant" });
    this.view.draw();
  }

  changed() {
    if (this.view.editor) this.view.editor.kind = this.kind.value;
    this.view.draw();
  }

  /** The zones as a map by name, as the server has them. */
  asMap() {
    return Object.fromEntries(this.zones.map(({ name, key, ...zone }) => [name, zone]));
  }

  show() {
    this.view.zones = Object.fromEntries(this.zones.map((zone) => [zone.name, zone]));
    keep(
      this.list,
      this.zones,
      (zone) => zone.key,
      (zone) => {
        const swatch = make("span", { className: "dot", "aria-hidden": "true" });
        const name = make("input", { value: zone.name, maxLength: 60, "aria-label": "Name of the zone" });
        name.addEventListener("input", () => ((zone.name = name.value), this.show()));
        const kind = make("select", { "aria-label": "Kind of the zone" });
        for (const one of Object.keys(KINDS)) kind.append(make("option", { value: one, selected: one === zone.kind }, one));
        kind.addEventListener("change", () => ((zone.kind = kind.value), this.show()));
        const gone = make("button", { type: "button", className: "quiet" }, "Delete");
        gone.addEventListener("click", () => {
          this.zones = this.zones.filter((one) => one !== zone);
          this.show();
          this.drawButton.focus();
        });
        return make("li", {}, swatch, name, kind, gone);
      },
      (element, zone) => {
        element.firstChild.style.backgroundColor = ZONES[zone.kind];
        element.lastChild.setAttribute("aria-label", `Delete zone ${zone.name}`);
      },
    );
    this.view.draw();
  }

  add(corner) {
    const { editor } = this.view;
    const { clientWidth: w, clientHeight: h } = this.card.canvas;
    const [first] = editor.corners;
    if (editor.corners.length >= 3 && Math.hypot((corner[0] - first[0]) * w, (corner[1] - first[1]) * h) < NEAR) {
      this.finish();
      return;
    }
    editor.corners.push(corner.map((v) => Math.round(1e4 * Math.min(1, Math.max(0, v))) / 1e4));
    const n = editor.corners.length;
    setText(this.status, `${n} corner${n > 1 ? "s" : ""}${n < 3 ? ", 3 are needed" : ""}.`);
    this.view.draw();
  }

  finish() {
    const { editor } = this.view;
    if (editor.corners.length < 3) {
      setText(this.status, `A zone needs at least 3 corners, ${editor.corners.length} are there.`);
      return;
    }
    const names = new Set(this.zones.map((zone) => zone.name));
    let name = editor.kind;
    for (let i = 2; names.has(name); i++) name = `${editor.kind} ${i}`;
    const key = 1 + Math.max(-1, ...this.zones.map((zone) => zone.key));
    this.zones.push({ name, key, kind: editor.kind, polygon: editor.corners });
    Object.assign(editor, { corners: [], cursor: null, drawing: false });
    this.show();
    setText(this.status, `Zone ${name} is drawn; it counts once the zones are saved.`);
    this.list.lastElementChild.querySelector("input").focus();
  }

  place(event) {
    const box = this.card.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  down(event) {
    const { editor } = this.view;
    if (!editor) return;
    event.preventDefault();
    this.card.canvas.focus({ preventScroll: true });
    const at = this.place(event);
    if (editor.drawing) {
      editor.cursor = at;
      this.add(at);
      return;
    }
    const { clientWidth: w, clientHeight: h } = this.card.canvas;
    for (const zone of this.zones) {
      for (const [i, [x, y]] of zone.polygon.entries()) {
        if (Math.hypot((x - at[0]) * w, (y - at[1]) * h) < NEAR) this.dragged = [zone, i];
      }
    }
    if (this.dragged) this.card.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    const { editor } = this.view;
    if (!editor) return;
    const at = this.place(event).map((v) => Math.min(1, Math.max(0, v)));
    if (this.dragged) this.dragged[0].polygon[this.dragged[1]] = at.map((v) => Math.round(1e4 * v) / 1e4);
    else if (editor.drawing) editor.cursor = at;
    this.view.draw();
  }

  key(event) {
    const { editor } = this.view;
    if (!editor || !editor.drawing) return;
    const step = event.shiftKey ? STEP / 4 : STEP;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (ways[event.key]) {
      editor.cursor = editor.cursor.map((v, i) => Math.min(1, Math.max(0, v + ways[event.key][i])));
      setText(this.status, `${Math.round(100 * editor.cursor[0])} % from left, ${Math.round(100 * editor.cursor[1])} % from top`);
    } else if (event.key === " ") this.add(editor.cursor);
    else if (event.key === "Enter") this.finish();
    else if (event.key === "Backspace") editor.corners.pop();
    else if (event.key === "Escape") {
      Object.assign(editor, { corners: [], cursor: null, drawing: false });
      this.drawButton.focus();
    } else return;
    event.preventDefault();
    this.view.draw();
  }

  async save() {
    setText(this.error, "");
    const names = this.zones.map((zone) => zone.name.trim());
    if (new Set(names).size !== names.length || names.includes("")) {
      setText(this.error, "Every zone needs a name of its own.");
      return;
    }
    try {
      const { zones, saved } = await askJson("/api/zones", "PUT", { camera: this.card.name, zones: this.asMap() });
      this.close(zones);
      say(saved ? "Zones saved" : "Zones in use until skelact monitor ends");
    } catch (error) {
      setText(this.error, error.message);
    }
  }
}
