// The page: a camera or a video of the user's own, what is seen, and the gestures that are made.

import { Spotter } from "./gestures.js";
import { loadModel } from "./model.js";

const byId = (id) => document.getElementById(id);
const video = byId("video");
const canvas = byId("seen");
let model = null;
let pose = null;
let spotter = null;
let running = false;
let clock = 0;

function say(text, kind = "") {
  byId("state").textContent = text;
  byId("state").className = kind;
}

function list() {
  byId("known").replaceChildren(
    ...model.parameters.gestures.map((gesture) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = gesture.name;
      const meter = document.createElement("meter");
      meter.max = 1;
      meter.setAttribute("aria-label", `likeness to ${gesture.name}`);
      item.append(name, meter);
      return item;
    }),
  );
}

function show(found) {
  const meters = byId("known").querySelectorAll("meter");
  spotter.scores.forEach((value, k) => (meters[k].value = Math.max(0, value)));
  for (const one of found) {
    byId("now").textContent = one.name; // a live region: it is read out
    const item = document.createElement("li");
    item.textContent = `${one.name} (${one.end.toFixed(1)} s, ${Math.round(100 * one.score)} % alike)`;
    byId("made").prepend(item);
    while (byId("made").children.length > 20) byId("made").lastChild.remove();
  }
}

function draw(person) {
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#ffd23f";
  for (const point of person?.picture ?? []) {
    if (!point) continue;
    pen.beginPath();
    pen.arc(point[0] * canvas.width, point[1] * canvas.height, 3, 0, 7);
    pen.fill();
  }
}

async function follow() {
  const nJoints = 75;
  while (running) {
    if (video.ended) {
      show(spotter.finish());
      stop("The video is over");
      return;
    }
    if (video.readyState >= 2 && !video.paused) {
      const time = performance.now() / 1000;
      clock = Math.max(clock + 1, Math.round(1000 * time));
      const person = pose.look(video, clock);
      draw(person);
      const joints = person?.joints ?? new Array(nJoints).fill([0, 0, 0]);
      const score = person?.score ?? new Array(nJoints).fill(0);
      show(await spotter.push(time, joints, score));
      if (running) say(person ? "Watching" : "Nobody is seen");
    }
    await new Promise(requestAnimationFrame);
  }
}

function stop(text) {
  running = false;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  byId("camera").textContent = "Use the camera";
  say(text);
}

async function begin(give) {
  try {
    say("Loading the pose networks");
    pose ??= await (await import("./pose.js")).loadPose();
    await give();
    await video.play();
    spotter.reset();
    running = true;
    byId("camera").textContent = "Stop";
    follow().catch((error) => stop(`Stopped: ${error.message}`));
  } catch (error) {
    stop(error.name === "NotAllowedError" ? "The camera may not be used: allow it in the browser" : `Not started: ${error.message}`);
  }
}

byId("camera").addEventListener("click", () => {
  if (running) return stop("Stopped");
  begin(async () => {
    if (!navigator.mediaDevices) throw new Error("this browser gives no camera to this address; open http://127.0.0.1");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    canvas.parentElement.classList.add("mirrored");
  });
});

byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  if (!file) return;
  if (running) stop("Stopped");
  begin(async () => {
    canvas.parentElement.classList.remove("mirrored");
    video.src = URL.createObjectURL(file);
  });
});

try {
  model = await loadModel();
  spotter = new Spotter(model.parameters, model.ask);
  list();
  byId("camera").disabled = byId("file").disabled = false;
  say("Ready");
} catch (error) {
  say(`The vocabulary cannot be loaded: ${error.message}`, "error");
}
