// The controls of the page.
const data = JSON.parse(document.getElementById("data").textContent);
const recordings = data.recordings.map((packed) => new Recording(packed));
const $ = (id) => document.getElementById(id);
const view = { ...FRONT, chosen: [0, data.compare ? 1 : -1], seconds: 0, playing: false, speed: 1, follow: false, overlay: false, hips: false };
let colours = {}, scenes = [], drawPending = false, lastTick = 0;

const shown = () => view.chosen.filter((k) => k >= 0).map((k) => recordings[k]);
const leader = () => shown().reduce((a, b) => (b.duration > a.duration ? b : a));
const look = () => ({
  ...view, least: Math.max(data.minScore, 1 / 512), floor: true, colour, boneColour,
});
const colour = (name) => (colours[name] ||= getComputedStyle(document.documentElement).getPropertyValue(name).trim());

function boneColour(recording, index, person, v, p) {
  const by = $("colours").value;
  if (by === "recording") return colour(index === 0 ? "--left" : "--right");
  if (by === "person") return recording.colours[person];
  const side = recording.sides[v] !== 2 ? recording.sides[v] : recording.sides[p];
  return colour(["--left", "--right", "--middle"][side]);
}
// What is shown: one scene for each recording, or one for both.
function arrange() {
  const two = view.chosen[1] >= 0, together = two && view.overlay;
  $("stage").classList.toggle("two", two && !together);
  $("stage").replaceChildren();
  scenes = (together ? [shown()] : shown().map((one) => [one])).map((those) => {
    const figure = document.createElement("figure"), canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption"), key = document.createElement("div");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Skeletons of ${those.map((one) => one.title).join(" and ")}`);
    key.className = "key chips";
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = "nobody in this frame";
    figure.append(canvas, caption, key, empty);
    $("stage").append(figure);
    const scene = new Scene(canvas);
    Object.assign(scene, { recordings: those, caption, key, empty });
    listen(scene);
    return scene;
  });
  $("overlaid").hidden = $("hipped").hidden = !two;
  $("hips").disabled = !together;
  $("hipped").style.opacity = together ? 1 : 0.5;
  const flat = shown().every((one) => one.flat);
  $("views").hidden = flat;
  if ($("colours").value === "recording" && !together) $("colours").value = "side";
  $("colours").querySelector('[value="recording"]').hidden = !together;
  if (together) $("colours").value = "recording";
  $("scrub").max = leader().nFrames - 1;
  view.seconds = Math.min(view.seconds, leader().secondsOf(leader().nFrames - 1));
  captions();
  facts();
  band();
  redraw();
}

function chip(parent, text, fill, now) {
  const span = document.createElement("span"), mark = document.createElement("i");
  mark.style.setProperty("--c", fill);
  span.append(mark, text);
  span.classList.toggle("now", Boolean(now));
  parent.append(span);
}

const UNITS = { m: "metres", px: "pixels", image: "in the picture", unknown: "unit unknown" };
function captions() {
  scenes.forEach((scene, at) => {
    scene.caption.replaceChildren();
    scene.recordings.forEach((one, k) => {
      const slot = view.overlay ? k : at;
      const several = recordings.length > 1 && slot === 0;
      const name = document.createElement(several ? "select" : "b");
      if (several) {
        name.setAttribute("aria-label", "Recording");
        recordings.forEach((other, n) => name.add(new Option(other.title, n, false, n === view.chosen[slot])));
        name.addEventListener("change", () => choose(slot, Number(name.value)));
      } else name.textContent = one.title;
      const about = document.createElement("span");
      about.className = "muted";
      const people = one.nPeople === 1 ? "1 person" : `${one.nPeople} people`;
      about.textContent = `${people} · ${one.layout} · ${one.flat ? "2D" : "3D"}, ${UNITS[one.unit]}`;
      scene.caption.append(name, about);
    });
    scene.key.replaceChildren();
    const by = $("colours").value;
    if (by === "side") ["left", "right"].forEach((side) => chip(scene.key, side, colour(`--${side}`)));
    else if (by === "person") {
      const one = scene.recordings[0];
      one.people.slice(0, 8).forEach((name, m) => chip(scene.key, `person ${name}`, one.colours[m]));
    } else scene.recordings.forEach((one, k) => chip(scene.key, one.title, colour(k ? "--right" : "--left")));
  });
}

function facts() {
  const lines = shown().map((one) => {
    const unit = { m: [1000, "mm"], px: [1, "pixels"], image: [100, "% of the picture's width"], unknown: [1, "of the recording's unit"] }[one.unit];
    return `${one.id}: ${one.nFrames} frames, ${one.fps.toPrecision(3)} a second; positions are rounded by at most ${(one.step / 2 * unit[0]).toPrecision(2)} ${unit[1]}.`;
  });
  $("facts").textContent = `Joints that are missing, or seen less surely than ${data.minScore}, are not drawn. ${lines.join(" ")} Frames are counted from 0.`;
}

// Labels of frames, a row for each recording that has them.
function band() {
  const labelled = shown().filter((one) => one.labels), canvas = $("band"), pen = canvas.getContext("2d");
  canvas.hidden = !labelled.length;
  $("labels").replaceChildren();
  if (!labelled.length) return;
  const ratio = window.devicePixelRatio || 1, height = 20 * labelled.length;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const width = canvas.clientWidth, whole = leader().duration;
  labelled.forEach((one, row) => {
    for (const [first, n, k] of one.labels.runs) {
      const from = one.secondsOf(first) / whole * width;
      const end = first + n < one.nFrames ? one.secondsOf(first + n) : one.duration;
      pen.fillStyle = one.labels.colours[k];
      pen.fillRect(from, row * 20 + 2, Math.max(end / whole * width - from, 1), 16);
    }
  });
}

function redraw() {
  if (drawPending) return;
  drawPending = true;
  requestAnimationFrame(() => { drawPending = false; draw(); });
}

function draw() {
  const now = look();
  for (const scene of scenes) {
    scene.draw(now);
    scene.empty.hidden = scene.joints.length > 0;
  }
  const lead = leader(), frame = lead.frameAt(view.seconds);
  $("scrub").value = frame;
  $("clock").textContent = `frame ${frame} of ${lead.nFrames} · ${lead.secondsOf(frame).toFixed(2)} of ${lead.duration.toFixed(2)} s`;
  $("scrub").setAttribute("aria-valuetext", $("clock").textContent);
  const labelled = shown().filter((one) => one.labels);
  if (labelled.length) {
    $("labels").replaceChildren();
    const current = labelled.map((one) => one.labelAt(one.frameAt(view.seconds)));
    labelled[0].labels.names.slice(0, 40).forEach((name, k) => chip($("labels"), name, labelled[0].labels.colours[k], current[0] === k));
    if (labelled[1]) chip($("labels"), `second: ${labelled[1].labels.names[current[1]]}`, labelled[1].labels.colours[current[1]], true);
  }
}

function tick(at) {
  if (!view.playing) return;
  const lead = leader(), end = lead.duration;
  view.seconds += Math.min((at - lastTick) / 1000, 0.25) * view.speed;
  if (view.seconds >= end) view.seconds = view.seconds % end;
  lastTick = at;
  draw();
  requestAnimationFrame(tick);
}

function play(on) {
  view.playing = on;
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  lastTick = performance.now();
  if (on) requestAnimationFrame(tick);
}

function seek(frame) {
  const lead = leader();
  view.seconds = lead.secondsOf(Math.max(0, Math.min(lead.nFrames - 1, Math.round(frame)))) + 1e-6;
  redraw();
}
const step = (n) => { play(false); seek(leader().frameAt(view.seconds) + n); };

function choose(slot, k) {
  view.chosen[slot] = k;
  if (slot === 0) begin();
  arrange();
  $("other").value = view.chosen[1];
}

// Shows the first frame with somebody in it.
const begin = () => { const one = recordings[view.chosen[0]]; view.seconds = one.secondsOf(one.first) + 1e-6; };

function turn(yaw, pitch) {
  view.yaw += yaw;
  view.pitch = Math.max(-1.55, Math.min(1.55, view.pitch + pitch));
  redraw();
}
const zoom = (factor) => { view.zoom = Math.max(0.2, Math.min(20, view.zoom * factor)); redraw(); };
const VIEWS = { front: [0, 0], side: [Math.PI / 2, 0], top: [0, 1.55] };
const face = (name) => { [view.yaw, view.pitch] = VIEWS[name]; redraw(); };

function theme(name) {
  document.documentElement.dataset.theme = name;
  colours = {};
  captions();
  redraw();
}
const darkWished = matchMedia("(prefers-color-scheme: dark)");
const switchTheme = () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("skelact-theme", next); } catch { /* pages of files may not keep anything */ }
  theme(next);
};

function reset() {
  Object.assign(view, FRONT, { follow: false });
  $("follow").checked = false;
  redraw();
}
const tickBox = (id, name, after) => $(id).addEventListener("change", () => { view[name] = $(id).checked; after(); });
const flip = (id) => { if (!$(id).disabled && !$(id).closest("[hidden]")) $(id).click(); };

$("play").addEventListener("click", () => play(!view.playing));
$("back").addEventListener("click", () => step(-1));
$("forth").addEventListener("click", () => step(1));
$("scrub").addEventListener("input", () => { play(false); seek(Number($("scrub").value)); });
$("speed").addEventListener("change", () => { view.speed = Number($("speed").value); });
$("views").addEventListener("click", (event) => { if (event.target.dataset.view) face(event.target.dataset.view); });
$("reset").addEventListener("click", reset);
$("colours").addEventListener("change", () => { captions(); redraw(); });
$("other").addEventListener("change", () => choose(1, Number($("other").value)));
$("theme").addEventListener("click", switchTheme);
$("band").addEventListener("click", (event) => { view.seconds = event.offsetX / $("band").clientWidth * leader().duration; redraw(); });
tickBox("follow", "follow", redraw);
tickBox("overlay", "overlay", arrange);
tickBox("hips", "hips", redraw);
darkWished.addEventListener("change", () => theme(darkWished.matches ? "dark" : "light"));
new ResizeObserver(() => { band(); redraw(); }).observe($("stage"));

const KEYS = {
  " ": () => play(!view.playing), Home: () => seek(0), End: () => seek(Infinity), a: () => turn(-0.15, 0), d: () => turn(0.15, 0),
  w: () => turn(0, 0.15), s: () => turn(0, -0.15), "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2),
  1: () => face("front"), 2: () => face("side"), 3: () => face("top"), r: reset, f: () => flip("follow"), o: () => flip("overlay"), t: switchTheme,
  c: () => {
    const list = [...$("colours").options].filter((one) => !one.hidden).map((one) => one.value);
    $("colours").value = list[(list.indexOf($("colours").value) + 1) % list.length];
    captions();
    redraw();
  },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (pressed === " " && ["BUTTON", "SUMMARY"].includes(event.target.tagName)) return;
  if (pressed === " " && event.target.type === "checkbox") return;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[pressed];
  if (!arrow && !KEYS[pressed]) return;
  event.preventDefault();
  if (arrow) step(arrow * (event.shiftKey ? 10 : 1));
  else KEYS[pressed]();
});

$("other").add(new Option("nothing", -1));
recordings.forEach((one, k) => $("other").add(new Option(one.title, k)));
$("other").value = view.chosen[1];
$("other").closest("label").hidden = recordings.length < 2;
$("colours").value = recordings[0].nPeople > 1 ? "person" : "side";
begin();
arrange();
let kept = null;
try { kept = localStorage.getItem("skelact-theme"); } catch { /* as above */ }
theme(kept || (darkWished.matches ? "dark" : "light"));

// For programs and tests: what is shown now, and a way to a moment.
window.skelactShow = {
  state: () => {
    draw();
    const lead = leader();
    return {
      frame: lead.frameAt(view.seconds), seconds: view.seconds, playing: view.playing, yaw: view.yaw, pitch: view.pitch, zoom: view.zoom,
      theme: document.documentElement.dataset.theme, overlay: view.overlay, flat: scenes.every((scene) => scene.flat), colours: $("colours").value,
      recordings: shown().map((one) => ({ id: one.id, frame: one.frameAt(view.seconds), frames: one.nFrames })),
      scenes: scenes.map((scene) => scene.joints.map(({ recording, person, joint, x, y }) => ({ name: recording.joints[joint], recording: recording.id, person, x, y }))),
    };
  },
  seek,
};
