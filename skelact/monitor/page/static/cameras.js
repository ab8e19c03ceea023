// One card for each camera: its view, who is there, what they do.

import { ask, askJson } from "./api.js";
import { keep, make, say, setText, span, stateWords, clockTime } from "./dom.js";
import { View, colourOf } from "./draw.js";
import { ZoneEditor } from "./zones.js";

const STATES = {
  online: "Online", lost: "Lost, trying again", silent: "No pictures come", waiting: "Waiting for the first picture",
  ended: "Ended",
};
const PICTURE_MS = 300;

export const EVERYWHERE = ""; // camera of a suspension of all cameras

/** Tell alarms again before their suspension is over. */
export async function resume(camera, person) {
  try {
    await askJson("/api/suspend", "POST", { camera, person, minutes: 0 });
    say("Alarms are told again");
  } catch (error) {
    say(error.message);
  }
}

export class Cards {
  constructor(place, home, zones, openSuspend, openTeach) {
    this.home = home;
    this.openSuspend = openSuspend;
    this.cards = new Map();
    place.classList.toggle("single", home.cameras.length === 1);
    for (const name of home.cameras) {
      const card = new Card(name, home, zones[name] || {}, openSuspend, openTeach);
      this.cards.set(name, card);
      place.append(card.element);
    }
  }

  people(cameras) {
    for (const camera of cameras) this.cards.get(camera.name)?.people(camera.people);
  }

  /** Somebody has drawn zones, perhaps in another browser. */
  zones(zones) {
    for (const [name, card] of this.cards) {
      if (card.view.editor) continue;
      card.view.zones = zones[name] || {};
      card.view.draw();
    }
  }

  desk(desk) {
    for (const camera of desk.cameras) this.cards.get(camera.name)?.desk(camera, desk);
  }
}

class Card {
  constructor(name, home, zones, openSuspend, openTeach) {
    this.name = name;
    this.id = `camera-${home.cameras.indexOf(name)}`;
    this.states = new Map();
    this.gestures = new Map();
    this.teach = home.gestures ? openTeach : null;
    this.shown = null;
    this.canvas = make("canvas", { role: "img", "aria-label": `Skeletons, ${name}` });
    this.state = make("span", { className: "pill" }, "Waiting");
    this.numbers = make("span", { className: "muted numbers" });
    this.list = make("ul", { className: "people" });
    this.nobody = make("p", { className: "muted nobody" }, "Nobody is seen.");
    this.suspended = make("p", { className: "suspended", hidden: true });
    this.overlay = make("p", { className: "overlay", hidden: true });
    this.panel = make("div", { className: "zones", hidden: true });
    this.zonesButton = make("button", { type: "button", className: "quiet", "aria-expanded": "false" }, "Edit zones");
    this.view = new View(this.canvas, home.bones);
    this.view.zones = zones;
    this.editor = new ZoneEditor(this, home.keeps_zones);
    this.zonesButton.addEventListener("click", () => this.editor.toggle());
    this.element = make(
      "article",
      { className: "card", "aria-labelledby": this.id },
      make(
        "div",
        { className: "card-head" },
        make("h3", { id: this.id }, name),
        this.state,
        this.numbers,
      ),
      make("div", { className: "stage" }, this.canvas, this.overlay),
      make("div", { className: "card-body" }, this.nobody, this.list, this.suspended),
      make(
        "div",
        { className: "row" },
        this.zonesButton,
        make(
          "button",
          { type: "button", className: "quiet", "aria-label": `Suspend alarms of ${name}`,
            onclick: () => openSuspend(name, null) },
          "Suspend alarms",
        ),
      ),
      this.panel,
    );
    if (home.pictures) this.pictures();
  }

  people(people) {
    this.view.setPeople(people);
    this.nobody.hidden = people.length > 0;
    keep(
      this.list,
      people,
      (person) => person.track,
      (person) => {
        const dot = make("span", { className: "dot", "aria-hidden": "true" });
        return make("li", {}, dot, make("span", { className: "name" }, `Person ${person.track}`),
          make("span", { className: "does" }), make("span", { className: "how" }), ...this.teachButton(person));
      },
      (element, person) => {
        const made = person.gesture ? `gesture: ${person.gesture}` : "";
        const does = made || (person.action ? `${person.action.replaceAll("_", " ")} ${Math.round(100 * person.confidence)} %` : "");
        setText(element.children[2], does);
        setText(element.children[3], stateWords(person.state));
        const down = person.state === "on_floor" || person.state === "falling";
        element.classList.toggle("down", down);
        element.firstChild.style.backgroundColor = down ? "var(--alarm-line)" : colourOf(person.track);
      },
    );
    for (const person of people) {
      const before = this.states.get(person.track);
      if (person.state === "on_floor" && before !== "on_floor") say(`${this.name}: person ${person.track} is on the floor`);
      if (before === "on_floor" && person.state === "upright") say(`${this.name}: person ${person.track} is up again`);
      if (person.gesture && this.gestures.get(person.track) !== person.gesture) say(`${this.name}, person ${person.track}: ${person.gesture}`);
    }
    this.gestures = new Map(people.map((person) => [person.track, person.gesture]));
    this.states = new Map(people.map((person) => [person.track, person.state]));
    const label = `Skeletons, ${this.name}: ${people.length === 1 ? "1 person" : `${people.length || "no"} people`}`;
    if (!this.view.editor && this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
  }

  /** A button that teaches a gesture, where gestures are named. */
  teachButton(person) {
    if (!this.teach) return [];
    const onclick = () => this.teach(this.name, person.track);
    const label = `Teach a gesture of person ${person.track}, ${this.name}`;
    return [make("button", { type: "button", className: "link", "aria-label": label, onclick }, "Teach")];
  }

  desk(camera, desk) {
    setText(this.state, STATES[camera.state] || camera.state);
    this.state.className = `pill ${camera.state}`;
    setText(this.numbers, camera.state === "online" ? `${camera.fps.toFixed(0)} fps · ${Math.round(1000 * camera.delay)} ms` : "");
    this.overlay.hidden = camera.state === "online";
    const since = camera.age === null ? "" : ` since ${span(camera.age)}`;
    setText(this.overlay, `${STATES[camera.state] || camera.state}${camera.state === "waiting" ? "" : since}`);
    this.view.dimmed = camera.state !== "online";
    if (camera.size && this.shown !== camera.size.join()) {
      this.shown = camera.size.join();
      this.canvas.style.aspectRatio = `${camera.size[0]} / ${camera.size[1]}`;
    }
    const mine = desk.suspensions.filter((one) => one.camera === this.name);
    this.suspended.hidden = !mine.length;
    keep(
      this.suspended,
      mine,
      (one) => one.person ?? "all",
      (one) => make("span", { className: "suspension" }, make("span"),
        make("button", { type: "button", className: "link", onclick: () => resume(one.camera, one.person) }, "Tell again")),
      (element, one) =>
        setText(element.firstChild, `Alarms${one.person === null ? "" : ` of person ${one.person}`} suspended until ${clockTime(one.until)}`),
    );
  }

  /** Fetch the newest picture again and again while the page is looked at. */
  async pictures() {
    for (;;) {
      const begin = performance.now();
      if (!document.hidden) {
        try {
          const answer = await ask(`/api/picture?camera=${encodeURIComponent(this.name)}`);
          const picture = await createImageBitmap(await answer.blob());
          this.view.picture?.close();
          this.view.picture = picture;
        } catch {
          this.view.picture = null;
        }
        this.view.draw();
      }
      await new Promise((done) => setTimeout(done, Math.max(50, PICTURE_MS - (performance.now() - begin))));
    }
  }
}
