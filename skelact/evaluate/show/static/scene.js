// One canvas on which one recording is drawn, or two over each other.
const FRONT = { yaw: 0.35, pitch: 0.12, zoom: 1, x: 0, y: 0 };

class Scene {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.recordings = [];
    this.joints = [];
  }

  // How the points of a recording become points of the scene: [scale, shift].
  placing(recording, frame, look) {
    const first = this.recordings[0];
    if (this.recordings.length < 2) return [1, [0, 0, 0]];
    const scale = recording.unit === first.unit && recording.picture === first.picture ? 1 : first.size / recording.size;
    let own = recording.start, other = first.start;
    let up = first.floor - scale * recording.floor;
    if (look.hips) {
      own = recording.middle(frame, look.least) || own;
      other = first.middle(first.frameAt(look.seconds), look.least) || other;
      up = other[1] - scale * own[1];
    }
    return [scale, [other[0] - scale * own[0], up, (other[2] || 0) - scale * (own[2] || 0)]];
  }

  // Where the middle of the view is, and how far it reaches.
  reach(look) {
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (const one of this.recordings) {
      const [scale, shift] = this.placing(one, one.frameAt(look.seconds), { ...look, hips: false });
      for (let k = 0; k < 3; k++) {
        low[k] = Math.min(low[k], scale * (one.low[k] || 0) + shift[k]);
        high[k] = Math.max(high[k], scale * (one.high[k] || 0) + shift[k]);
      }
    }
    const first = this.recordings[0];
    const middle = low.map((x, k) => (x + high[k]) / 2);
    const span = low.map((x, k) => Math.max(high[k] - x, 1e-6));
    if (look.follow) {
      const at = first.middle(first.frameAt(look.seconds), look.least);
      if (at) [middle[0], middle[2]] = [at[0], at[2]];
      [span[0], span[2]] = [first.size, first.flat ? 0 : first.size];
      if (first.flat && at) { middle[1] = at[1]; span[1] = first.size; }
    }
    return { low, high, middle, span };
  }

  get flat() {
    return this.recordings.every((one) => one.flat);
  }

  draw(look) {
    const { canvas, pen } = this;
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height || !this.recordings.length) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const { low, high, middle, span } = this.reach(look);
    const flat = this.flat, yaw = flat ? 0 : look.yaw, pitch = flat ? 0 : look.pitch;
    const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    // The caption and the key take some of the height.
    const top = this.caption.offsetHeight + 18, room = Math.max(height - top - this.key.offsetHeight - 18, 0.4 * height);
    const across = flat ? span[0] : Math.max(span[0], span[2]), tall = span[1] * Math.max(cp, 0.4) + across * Math.abs(sp);
    const nearer = flat ? 1.04 : 1.22; // what is nearer than the middle is drawn larger
    const fit = Math.min((width - 24) / Math.max(across, 0.35 * span[1]), room / tall) / nearer;
    const scale = fit * look.zoom, far = 3.5 * Math.max(...span), centre = [width / 2 + look.x, top + room / 2 + look.y];
    const project = ([x, y, z]) => {
      const [dx, dy, dz] = [x - middle[0], y - middle[1], z - middle[2]];
      const right = cy * dx + sy * dz, near = -sy * dx + cy * dz;
      const up = cp * dy - sp * near, depth = sp * dy + cp * near;
      const size = flat ? 1 : far / Math.max(far - depth, 0.05 * far);
      return [centre[0] + scale * size * right, centre[1] - scale * size * up, depth, size];
    };
    if (!flat && look.floor) this.drawFloor(look, project, low, high);
    this.joints = [];
    this.recordings.forEach((one, k) => this.drawRecording(one, k, look, project));
  }

  drawFloor(look, project, low, high) {
    const { pen } = this, first = this.recordings[0];
    if (first.picture) return;
    const span = Math.max(high[0] - low[0], high[2] - low[2], first.size);
    const cell = first.unit === "m" ? (span > 8 ? 1 : 0.5) : 10 ** Math.floor(Math.log10(span)) / 2;
    const from = [0, 2].map((k) => Math.floor(low[k] / cell - 0.5) * cell);
    const to = [0, 2].map((k) => Math.ceil(high[k] / cell + 0.5) * cell);
    pen.strokeStyle = look.colour("--grid");
    pen.lineWidth = 1;
    pen.beginPath();
    const line = (a, b) => { pen.moveTo(...project(a)); pen.lineTo(...project(b)); };
    for (let x = from[0]; x <= to[0] + cell / 2; x += cell) line([x, first.floor, from[1]], [x, first.floor, to[1]]);
    for (let z = from[1]; z <= to[1] + cell / 2; z += cell) line([from[0], first.floor, z], [to[0], first.floor, z]);
    pen.stroke();
  }

  drawRecording(recording, index, look, project) {
    const { pen } = this, frame = recording.frameAt(look.seconds);
    const [scale, shift] = this.placing(recording, frame, look);
    const floor = scale * recording.floor + shift[1], bones = [], dots = [];
    for (let person = 0; person < recording.nPeople; person++) {
      const places = [], shades = [];
      for (let v = 0; v < recording.nJoints; v++) {
        if (recording.score(person, frame, v) < look.least) continue;
        const at = recording.point(person, frame, v).map((x, k) => scale * x + shift[k]);
        places[v] = project(at);
        shades[v] = [at[0], floor, at[2]];
        dots.push([person, v, places[v]]);
      }
      if (!this.flat && !recording.picture && look.floor) {
        pen.strokeStyle = look.colour("--muted");
        pen.globalAlpha = 0.22;
        pen.lineWidth = 3;
        pen.lineCap = "round";
        pen.beginPath();
        for (const [v, p] of recording.edges) {
          if (!places[v] || !places[p] || recording.fine[v]) continue;
          pen.moveTo(...project(shades[v]));
          pen.lineTo(...project(shades[p]));
        }
        pen.stroke();
        pen.globalAlpha = 1;
      }
      for (const [v, p] of recording.edges) if (places[v] && places[p]) bones.push([person, v, p, places[v], places[p]]);
    }
    bones.sort((a, b) => a[3][2] + a[4][2] - b[3][2] - b[4][2]);
    const thick = Math.max(2.5, Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / 130);
    pen.lineCap = "round";
    for (const [person, v, p, a, b] of bones) {
      const width = thick * (recording.fine[v] ? 0.5 : 1) * Math.min(a[3], 1.8);
      // The ground around a bone parts it from what lies behind.
      for (const [colour, extra] of [["--stage", 2.5], [null, 0]]) {
        pen.strokeStyle = colour ? look.colour(colour) : look.boneColour(recording, index, person, v, p);
        pen.lineWidth = width + extra;
        pen.beginPath();
        pen.moveTo(a[0], a[1]);
        pen.lineTo(b[0], b[1]);
        pen.stroke();
      }
    }
    for (const [person, v, at] of dots) {
      pen.fillStyle = look.boneColour(recording, index, person, v, v);
      pen.beginPath();
      pen.arc(at[0], at[1], thick * (recording.fine[v] ? 0.45 : 0.85) * Math.min(at[3], 1.8), 0, 7);
      pen.fill();
      this.joints.push({ recording, index, person, joint: v, frame, x: at[0], y: at[1] });
    }
  }

  // The joint that is nearest to a place of the canvas, if it is near.
  nearest(x, y, within) {
    let best = null, least = within;
    for (const one of this.joints) {
      const distance = Math.hypot(one.x - x, one.y - y);
      if (distance <= least) [best, least] = [one, distance];
    }
    return best;
  }
}
