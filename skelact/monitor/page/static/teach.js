// Teach a gesture: a countdown, then the next seconds of somebody are an example.

import { askJson } from "./api.js";
import { make, say, setText } from "./dom.js";

const COUNTDOWN = 3;

export class Teach {
  constructor() {
    const byId = (id) => document.getElementById(id);
    this.dialog = byId("teach");
    this.title = byId("teach-title");
    this.gesture = byId("teach-name");
    this.known = byId("teach-known");
    this.seconds = byId("teach-seconds");
    this.said = byId("teach-said");
    this.record = this.dialog.querySelector("[value=record]");
    this.version = -1;
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      if (event.submitter?.value !== "record") return;
      event.preventDefault();
      this.begin();
    });
    this.dialog.addEventListener("close", () => clearInterval(this.timer));
  }

  open(camera, person) {
    this.camera = camera;
    this.person = person;
    this.busy(false);
    setText(this.title, `Teach a gesture: person ${person}, ${camera}`);
    setText(this.said, "");
    this.dialog.showModal();
    this.gesture.focus();
  }

  busy(is) {
    clearInterval(this.timer);
    this.record.disabled = is;
  }

  /** Count down, which is said too, and ask for the recording. */
  begin() {
    const name = this.gesture.value.trim();
    if (!name) {
      setText(this.said, "Name the gesture first.");
      this.gesture.focus();
      return;
    }
    this.busy(true);
    let left = COUNTDOWN;
    setText(this.said, `In ${left}`);
    this.timer = setInterval(async () => {
      left -= 1;
      if (left > 0) {
        setText(this.said, `In ${left}`);
        return;
      }
      clearInterval(this.timer);
      const seconds = Number(this.seconds.value);
      try {
        await askJson("/api/teach", "POST", { camera: this.camera, person: this.person, gesture: name, seconds });
        setText(this.said, `Make the gesture now (${seconds} seconds)`);
        this.waiting = setTimeout(() => this.busy(false), 1000 * (seconds + 3));
      } catch (error) {
        this.busy(false);
        setText(this.said, error.message);
      }
    }, 1000);
  }

  /** What became of the last example. */
  show(gestures) {
    if (!gestures || gestures.version === this.version) return;
    const first = this.version < 0;
    this.version = gestures.version;
    this.known.replaceChildren(...Object.keys(gestures.gestures).map((name) => make("option", { value: name })));
    if (first || !gestures.said) return;
    clearTimeout(this.waiting);
    this.busy(false);
    if (this.dialog.open) setText(this.said, gestures.said);
    else say(gestures.said);
  }
}
