// Begins the page: what there is, then what is new.

import { Alarms, soundButton } from "./alarms.js";
import { Failed, Follower, askJson, whenTokenIsNeeded } from "./api.js";
import { Cards, EVERYWHERE, resume } from "./cameras.js";
import { clockTime, make, say, setText } from "./dom.js";
import { Health } from "./health.js";
import { Teach } from "./teach.js";
import { LifeLog } from "./lifelog.js";
import { Timeline } from "./timeline.js";

const byId = (id) => document.getElementById(id);
let parts = null;
let follower = null;
let up = 0;
let drawn = 0;
let changed = Infinity;

function linked(there, otherwise = "No connection, trying again") {
  setText(byId("link"), there ? "Live" : otherwise);
  byId("link").className = `pill ${there ? "online" : "lost"}`;
  document.body.classList.toggle("unlinked", !there);
}

/** Whose alarms, and for how long. */
function openSuspend(camera, person) {
  const [dialog, of] = [byId("suspend"), byId("suspend-who")];
  const everybody = camera === EVERYWHERE ? "everybody, all cameras" : `everybody, ${camera}`;
  of.replaceChildren(make("option", { value: "" }, everybody));
  if (person !== null) of.append(make("option", { value: String(person) }, `person ${person} only, ${camera}`));
  dialog.returnValue = "";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "suspend") return;
    const minutes = Number(byId("suspend-minutes").value);
    const body = { camera, person: of.value === "" ? null : Number(of.value), minutes };
    try {
      await askJson("/api/suspend", "POST", body);
      say(`Alarms of ${camera === EVERYWHERE ? "all cameras" : camera} are suspended for ${minutes} minutes`);
    } catch (error) {
      say(`Not suspended: ${error.message}`);
    }
  };
  dialog.showModal();
}

/** That nobody is told of anything, and until when. */
function showSuspension(one) {
  const place = byId("suspended-all");
  place.hidden = !one;
  if (one) setText(place.querySelector("span"), `Alarms of all cameras suspended until ${clockTime(one.until)}`);
}

function logIn() {
  follower?.stop();
  const dialog = byId("login");
  if (dialog.open) return;
  setText(byId("login-error"), "");
  dialog.oncancel = (event) => event.preventDefault();
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await askJson("/api/login", "POST", { token: byId("token").value });
      byId("token").value = "";
      dialog.close();
      await begin();
    } catch (error) {
      setText(byId("login-error"), error instanceof Failed ? error.message : String(error));
      byId("token").select();
    }
  };
  dialog.showModal();
  byId("token").focus();
}

function take(name, value) {
  if (name === "people") parts.cards.people(value);
  else {
    if (value.up < up || value.cameras_changed > changed) location.reload(); // perhaps other cameras
    up = value.up;
    changed = value.cameras_changed;
    if (value.zones_drawn !== drawn) {
      drawn = value.zones_drawn;
      askJson("/api/zones").then(({ zones }) => parts.cards.zones(zones), () => (drawn = -1));
    }
    showSuspension(value.suspensions.find((one) => one.camera === EVERYWHERE));
    parts.cards.desk(value);
    parts.alarms.show(value);
    parts.health.show(value);
    parts.teach.show(value.gestures);
    parts.timeline.follow(value);
    parts.lifelog.follow(value);
  }
}

async function begin() {
  let home, zones;
  try {
    home = await askJson("/api/home");
    ({ zones } = await askJson("/api/zones"));
  } catch (error) {
    linked(false, error.status === 401 ? "Not logged in" : undefined);
    if (error.status !== 401) setTimeout(begin, 3000);
    return;
  }
  if (!parts) {
    parts = {
      cards: new Cards(byId("cards"), home, zones, openSuspend, (camera, person) => parts.teach.open(camera, person)),
      teach: new Teach(),
      alarms: new Alarms(openSuspend),
      timeline: new Timeline(home),
      lifelog: new LifeLog(),
      health: new Health(byId("health-body")),
    };
    follower = new Follower(take, linked);
  }
  byId("logout").hidden = !home.login;
  follower.begin();
}

byId("logout").addEventListener("click", async () => {
  await askJson("/api/logout", "POST").catch(() => {});
  location.reload();
});
byId("suspend-all").addEventListener("click", () => openSuspend(EVERYWHERE, null));
byId("suspended-all").querySelector("button").addEventListener("click", () => resume(EVERYWHERE, null));
soundButton(byId("sound"));
whenTokenIsNeeded(logIn);
begin();
