// The alarm banner: acknowledge, suspend.

import { askJson } from "./api.js";
import { keep, make, reasons, say, setText, span, when, who, words } from "./dom.js";

let sound = false;
let audio = null;

/** Two short tones, if the user wants them. */
function ring() {
  if (!sound) return;
  audio = audio || new AudioContext();
  for (const [i, pitch] of [880, 660, 880].entries()) {
    const [tone, level] = [audio.createOscillator(), audio.createGain()];
    const at = audio.currentTime + 0.25 * i;
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(0.25, at);
    level.gain.exponentialRampToValueAtTime(0.001, at + 0.22);
    tone.connect(level).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.23);
  }
}

export function soundButton(button) {
  const show = () => {
    button.setAttribute("aria-pressed", String(sound));
    setText(button, sound ? "Sound on" : "Sound off");
  };
  button.addEventListener("click", () => {
    sound = !sound;
    show();
    ring();
  });
  show();
}

export class Alarms {
  constructor(openSuspend) {
    this.openSuspend = openSuspend;
    this.known = new Set();
    this.rung = 0;
  }

  show(desk) {
    const open = desk.alarms.filter((alarm) => !alarm.recovered);
    const over = desk.alarms.filter((alarm) => alarm.recovered);
    for (const [place, alarms] of [["banners", open], ["over", over]]) {
      const shown = alarms.slice(0, 4);
      keep(
        document.getElementById(place),
        shown,
        (alarm) => alarm.id,
        (alarm) => this.banner(alarm),
        (element, alarm) => this.fill(element, alarm, desk.time, alarms.length - shown.length),
      );
    }
    const loud = open.filter((alarm) => !alarm.silenced);
    const title = open.length ? `${open.length} alarm${open.length > 1 ? "s" : ""} – skelact` : "skelact";
    if (document.title !== title) document.title = title;
    const fresh = loud.some((alarm) => !this.known.has(alarm.id));
    if (fresh || (loud.length && Date.now() - this.rung > 15000)) {
      this.rung = Date.now();
      ring();
    }
    for (const alarm of loud) this.known.add(alarm.id);
  }

  banner(alarm) {
    const label = `${words(alarm.kind)}, ${alarm.source}, ${who(alarm.person)}`;
    return make(
      "article",
      { className: "banner" },
      make(
        "div",
        { className: "banner-text" },
        make("strong", {}, `${words(alarm.kind)}: ${alarm.source}, ${who(alarm.person)}`),
        make("span", { className: "banner-when" }),
        make("p", { className: "banner-why" }, reasons(alarm)),
      ),
      make(
        "div",
        { className: "row" },
        make(
          "button",
          { type: "button", className: "main", "aria-label": `Acknowledge: ${label}`,
            onclick: (event) => this.acknowledge(alarm, event.currentTarget) },
          "Acknowledge",
        ),
        make(
          "button",
          { type: "button", className: "quiet", "aria-label": `Suspend alarms: ${label}`,
            onclick: () => this.openSuspend(alarm.source, alarm.person) },
          "Suspend",
        ),
      ),
    );
  }

  fill(element, alarm, now, more) {
    element.classList.toggle("over", Boolean(alarm.recovered));
    element.classList.toggle("silenced", alarm.silenced);
    const said = [when(alarm)];
    if (alarm.recovered) said.push("up again");
    if (alarm.silenced) said.push("suspended, nobody was told");
    if (alarm.earlier) said.push("before the last start");
    const passed = alarm.wall === null ? "" : ` (${span(10 * Math.floor((now - alarm.wall) / 10) || now - alarm.wall)} ago)`;
    const rest = more > 0 && !element.nextElementSibling ? ` · ${more} more in the timeline` : "";
    const place = element.querySelector(".banner-when");
    // the time that passes is not read out again and again
    if (!place.firstChild) place.append(make("span"), make("span", { "aria-hidden": "true" }));
    setText(place.firstChild, said.join(" · ") + rest);
    setText(place.lastChild, passed);
  }

  async acknowledge(alarm, button) {
    button.disabled = true;
    try {
      await askJson("/api/acknowledge", "POST", { event: alarm.id });
      say(`Acknowledged: ${words(alarm.kind)}, ${alarm.source}`);
      const next = document.querySelector("#alarms .banner:not([hidden]) button.main:not(:disabled)");
      (next || document.getElementById("alarms")).focus({ preventScroll: !next });
    } catch (error) {
      say(`Not acknowledged: ${error.message}`);
      if (error.status !== 404) button.disabled = false;
    }
  }
}
