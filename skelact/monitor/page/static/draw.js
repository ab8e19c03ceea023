// Skeletons, zones and pictures on a canvas.

const PEOPLE = ["#0b84d8", "#d55e00", "#009e73", "#b35d93", "#b8860b", "#5b6ee1"];
export const ZONES = { bed: "#7a5af5", sofa: "#0d9488", floor: "#6b7280", door: "#2563eb", ignore: "#c2410c" };
const TRAIL = 400;

export function colourOf(track) {
  return PEOPLE[track % PEOPLE.length];
}

/** A camera's view. */
export class View {
  constructor(canvas, bones) {
    this.canvas = canvas;
    this.bones = bones;
    this.people = [];
    this.zones = {};
    this.picture = null;
    this.editor = null; // { zone, corners, cursor, selected }
    this.trail = [];
    this.dimmed = false;
    this.waiting = false;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  setPeople(people) {
    this.people = people;
    for (const person of people) {
      const place = middle(person);
      const last = this.trail[this.trail.length - 1];
      if (place && (!last || Math.hypot(place[0] - last[0], place[1] - last[1]) > 0.01)) this.trail.push(place);
    }
    if (this.trail.length > TRAIL) this.trail.splice(0, this.trail.length - TRAIL);
    this.draw();
  }

  /** Draw with the next frame of the screen. */
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.drawNow();
    });
  }

  drawNow() {
    const { canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (!w || !h) return;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      [canvas.width, canvas.height] = [Math.round(w * ratio), Math.round(h * ratio)];
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, h);
    if (this.picture) pen.drawImage(this.picture, 0, 0, w, h);
    pen.globalAlpha = this.dimmed ? 0.35 : 1;
    if (this.editor) this.drawTrail(pen, w, h);
    for (const [name, zone] of Object.entries(this.zones)) this.drawZone(pen, w, h, name, zone);
    for (const person of this.people) this.drawPerson(pen, w, h, person);
    if (this.editor) this.drawEditor(pen, w, h);
    pen.globalAlpha = 1;
  }

  drawPerson(pen, w, h, person) {
    const { xy, score } = person;
    const down = person.state === "on_floor" || person.state === "falling";
    const size = bodySize(xy, score, w, h);
    pen.lineCap = "round";
    pen.lineJoin = "round";
    const style = getComputedStyle(this.canvas);
    const colours = down
      ? [style.getPropertyValue("--halo"), style.getPropertyValue("--alarm-line")]
      : [style.getPropertyValue("--halo"), colourOf(person.track)];
    const width = Math.max(2.8, Math.min(6, size / 36));
    for (const [pass, colour] of colours.entries()) {
      pen.strokeStyle = colour;
      pen.lineWidth = pass ? width : width + 3;
      for (const [a, b] of this.bones) {
        if (!(score[a] > 0.1 && score[b] > 0.1)) continue;
        pen.beginPath();
        pen.moveTo(xy[2 * a] * w, xy[2 * a + 1] * h);
        pen.lineTo(xy[2 * b] * w, xy[2 * b + 1] * h);
        pen.stroke();
      }
    }
    pen.fillStyle = colours[1];
    let top = null;
    for (let v = 0; v < score.length; v++) {
      if (!(score[v] > 0.1)) continue;
      const [x, y] = [xy[2 * v] * w, xy[2 * v + 1] * h];
      if (!top || y < top[1]) top = [x, y];
      pen.beginPath();
      pen.arc(x, y, width * 0.75, 0, 2 * Math.PI);
      pen.fill();
    }
    if (top) label(pen, `${person.track}`, top[0], top[1] - 16, colours[1], w);
  }

  drawZone(pen, w, h, name, zone) {
    const colour = ZONES[zone.kind] || ZONES.floor;
    outline(pen, w, h, zone.polygon, true);
    pen.fillStyle = `${colour}26`;
    pen.fill();
    pen.setLineDash(zone.kind === "ignore" ? [4, 4] : []);
    pen.lineWidth = this.editor ? 2 : 1.5;
    pen.strokeStyle = colour;
    pen.stroke();
    pen.setLineDash([]);
    const x = Math.min(...zone.polygon.map((p) => p[0])) * w;
    const y = Math.min(...zone.polygon.map((p) => p[1])) * h;
    label(pen, name, x + 2, y + 10, colour, w, "left");
    if (!this.editor) return;
    pen.fillStyle = colour;
    for (const [cx, cy] of zone.polygon) {
      pen.beginPath();
      pen.arc(cx * w, cy * h, 5, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  drawTrail(pen, w, h) {
    pen.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--muted");
    for (const [x, y] of this.trail) pen.fillRect(x * w - 1.5, y * h - 1.5, 3, 3);
  }

  drawEditor(pen, w, h) {
    const { corners, cursor, kind, drawing } = this.editor;
    const colour = ZONES[kind] || ZONES.bed;
    if (drawing && corners.length) {
      outline(pen, w, h, cursor ? [...corners, cursor] : corners, false);
      pen.lineWidth = 2;
      pen.strokeStyle = colour;
      pen.stroke();
      pen.fillStyle = colour;
      for (const [i, [x, y]] of corners.entries()) {
        pen.beginPath();
        pen.arc(x * w, y * h, i ? 5 : 7, 0, 2 * Math.PI);
        pen.fill();
      }
    }
    if (drawing && cursor) {
      const [x, y] = [cursor[0] * w, cursor[1] * h];
      pen.strokeStyle = getComputedStyle(this.canvas).getPropertyValue("--ink");
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x - 10, y);
      pen.lineTo(x + 10, y);
      pen.moveTo(x, y - 10);
      pen.lineTo(x, y + 10);
      pen.stroke();
    }
  }
}

function outline(pen, w, h, polygon, closed) {
  pen.beginPath();
  for (const [i, [x, y]] of polygon.entries()) pen[i ? "lineTo" : "moveTo"](x * w, y * h);
  if (closed) pen.closePath();
}

function label(pen, text, x, y, colour, width, align = "center") {
  pen.font = "600 12px system-ui, sans-serif";
  const wide = pen.measureText(text).width + 10;
  const left = Math.max(1, Math.min(width - wide - 1, align === "center" ? x - wide / 2 : x));
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(left, Math.max(1, y - 8), wide, 17, 5);
  pen.fill();
  pen.fillStyle = inkOn(colour);
  pen.textBaseline = "middle";
  pen.fillText(text, left + 5, Math.max(1, y - 8) + 9);
}

/** Black or white, whichever is read better on a colour (#rrggbb), by WCAG's relative luminance. */
function inkOn(colour) {
  const parts = [1, 3, 5].map((i) => parseInt(colour.trim().slice(i, i + 2), 16) / 255);
  const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

function bodySize(xy, score, w, h) {
  const [xs, ys] = [[], []];
  for (let v = 0; v < score.length; v++) {
    if (!(score[v] > 0.1)) continue;
    xs.push(xy[2 * v] * w);
    ys.push(xy[2 * v + 1] * h);
  }
  if (!xs.length) return 0;
  return Math.hypot(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}

/** The middle of a body, in shares of the picture. */
function middle(person) {
  let [x, y, n] = [0, 0, 0];
  for (let v = 0; v < person.score.length; v++) {
    if (!(person.score[v] > 0.1)) continue;
    x += person.xy[2 * v];
    y += person.xy[2 * v + 1];
    n += 1;
  }
  return n ? [x / n, y / n] : null;
}
