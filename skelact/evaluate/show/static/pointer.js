// Mouse, pen and fingers on a scene: they turn, move and zoom it, and ask for the names of joints.
function listen(scene) {
  const { canvas } = scene, fingers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return point(scene, event, 12);
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    const wide = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 6) $("tip").hidden = true;
    if (fingers.size === 2) {
      zoom(spread() / Math.max(wide, 1));
      [view.x, view.y] = [view.x + dx / 2, view.y + dy / 2];
    } else if (event.shiftKey || scene.flat) [view.x, view.y] = [view.x + dx, view.y + dy];
    else turn(dx * 0.01, dy * 0.01);
    redraw();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      fingers.delete(event.pointerId);
      if (name === "pointerup" && moved < 6) point(scene, event, event.pointerType === "touch" ? 24 : 12);
    });
  }
  canvas.addEventListener("pointerleave", (event) => { if (!fingers.size && event.pointerType !== "touch") $("tip").hidden = true; });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * 0.0015)); }, { passive: false });
}

// Names the joint under the pointer.
function point(scene, event, within) {
  const box = scene.canvas.getBoundingClientRect();
  const found = scene.nearest(event.clientX - box.left, event.clientY - box.top, within), tip = $("tip");
  tip.hidden = !found;
  if (!found) return;
  const { recording, person, joint, frame } = found;
  const at = recording.point(person, frame, joint).slice(0, recording.dims).map((x, k) => x / recording.axes[k]).map((x) => x.toFixed(Math.abs(x) >= 100 ? 0 : 2));
  const who = recording.nPeople > 1 || view.overlay ? `\n${view.overlay ? `${recording.id}, ` : ""}person ${recording.people[person]}` : "";
  tip.textContent = `${recording.joints[joint]}${who}\n${at.join(", ")}${recording.unit === "m" ? " m" : ""} · score ${recording.score(person, frame, joint).toFixed(2)}`;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
  tip.style.top = `${event.clientY - height - 10 > 0 ? event.clientY - height - 10 : event.clientY + 18}px`;
}
