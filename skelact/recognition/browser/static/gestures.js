// Joints to gestures: the same steps as in Python (skelact.transforms.gesture_form, skelact.recognition.taught_live).

/** One frame in the model's form: joints [V * 3] and presence [V], made from an estimator's joints. */
export function toForm(joints, score, parameters) {
  const { sources, least_score: least } = parameters;
  const xyz = new Float32Array(3 * sources.length);
  const present = new Float32Array(sources.length);
  sources.forEach((source, v) => {
    if (!source.length || source.some((s) => score[s] < least)) return;
    present[v] = 1;
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (const s of source) sum += joints[s][c] ?? 0;
      xyz[3 * v + c] = sum / source.length;
    }
  });
  return { xyz, present };
}

/**
 * Frames ({time, xyz, present}) at even steps from start to end, between the two nearest sights of each joint; written
 * to joints and there at a window's place.
 */
export function resample(frames, start, end, parameters, joints, there, window = 0) {
  const { steps, bridge, edge } = parameters;
  const n = frames.length;
  const nJoints = parameters.joints.length;
  const before = new Int32Array(n * nJoints);
  const after = new Int32Array(n * nJoints);
  for (let v = 0; v < nJoints; v++) {
    let last = -1;
    for (let t = 0; t < n; t++) {
      if (frames[t].present[v] > 0) last = t;
      before[t * nJoints + v] = last;
    }
    last = n;
    for (let t = n - 1; t >= 0; t--) {
      if (frames[t].present[v] > 0) last = t;
      after[t * nJoints + v] = last;
    }
  }
  for (let step = 0; step < steps; step++) {
    const now = start + (end - start) * (step / (steps - 1));
    let right = 0;
    while (right < n - 1 && frames[right].time < now) right++;
    const left = frames[right].time < now ? right : Math.max(0, right - 1);
    for (let v = 0; v < nJoints; v++) {
      const low = before[left * nJoints + v];
      const high = after[right * nJoints + v];
      const hasLow = low >= 0 && frames[low].time <= now + 1e-6;
      const hasHigh = high < n;
      const at = (window * steps + step) * nJoints + v;
      let share = 0;
      let seen = false;
      if (hasLow && hasHigh && frames[high].time - frames[low].time <= bridge) {
        seen = true;
        share = Math.min(1, Math.max(0, (now - frames[low].time) / Math.max(1e-6, frames[high].time - frames[low].time)));
      } else if (hasLow && now - frames[low].time <= edge) {
        seen = true;
      } else if (hasHigh && frames[high].time - now <= edge) {
        seen = true;
        share = 1;
      }
      there[at] = seen ? 1 : 0;
      for (let c = 0; c < 3; c++) {
        const a = low >= 0 ? frames[low].xyz[3 * v + c] : 0;
        const b = hasHigh ? frames[high].xyz[3 * v + c] : 0;
        joints[3 * at + c] = seen ? a * (1 - share) + b * share : 0;
      }
    }
  }
}

/** Windows' lengths in seconds, and which gesture may be seen in which. */
export function windowLengths(parameters) {
  const usual = parameters.gestures.map((gesture) => gesture.seconds);
  const { lengths, most_windows: most } = parameters.spotting;
  let wanted = [...new Set(usual.flatMap((one) => lengths.map((share) => Math.floor(100 * (one * share) + 0.5) / 100)))];
  wanted.sort((a, b) => a - b);
  while (wanted.length > most) {
    let near = 0;
    for (let i = 1; i + 1 < wanted.length; i++) {
      if (wanted[i + 1] / wanted[i] < wanted[near + 1] / wanted[near]) near = i;
    }
    wanted.splice(near, 2, Math.sqrt(wanted[near] * wanted[near + 1]));
  }
  const fits = wanted.map((length) => usual.map((one) => length / one >= 0.6 && length / one <= 1.5));
  usual.forEach((one, k) => {
    if (fits.some((row) => row[k])) return;
    const distance = wanted.map((length) => Math.abs(Math.log(length / one)));
    fits[distance.indexOf(Math.min(...distance))][k] = true;
  });
  return { lengths: wanted, fits };
}

/** Spots gestures as frames come; ask(joints, there, n) gives the scores of n windows, [n * K]. */
export class Spotter {
  constructor(parameters, ask) {
    this.parameters = parameters;
    this.ask = ask;
    Object.assign(this, windowLengths(parameters));
    this.hands = ["left_wrist", "right_wrist", "left_hand_wrist", "right_hand_wrist"].map((j) => parameters.joints.indexOf(j));
    this.reset();
  }

  reset() {
    this.frames = [];
    this.asked = -Infinity;
    this.best = null;
    this.last = null;
    this.over = -Infinity;
    this.scores = [];
  }

  /** Take a frame; gives the gestures that are known with it: {name, start, end, decided, score}. */
  async push(time, joints, score) {
    if (this.frames.length && time <= this.frames.at(-1).time) return [];
    this.frames.push({ time, ...toForm(joints, score, this.parameters) });
    const longest = Math.max(...this.lengths) + 0.5;
    while (this.frames[0].time < time - longest) this.frames.shift();
    if (time - this.asked < this.parameters.spotting.stride - 1e-6) return [];
    this.asked = time;
    return this.take(time, await this.look(time));
  }

  async look(time) {
    const { parameters, frames } = this;
    const k = parameters.gestures.length;
    const nothing = { scores: new Array(k).fill(-1), lengths: new Array(k).fill(0) };
    const begin = frames[0].time;
    const usable = this.lengths.map((_, i) => i).filter((i) => time - begin >= 0.7 * this.lengths[i]);
    if (!usable.length || frames.length < 4) return nothing;
    const tail = frames.slice(-Math.max(2, Math.floor(frames.length / 3)));
    const seen = tail.filter((frame) => this.hands.some((j) => frame.present[j] > 0)).length / tail.length;
    if (seen < 0.2) return nothing;
    const nJoints = parameters.joints.length;
    const joints = new Float32Array(usable.length * parameters.steps * nJoints * 3);
    const there = new Float32Array(usable.length * parameters.steps * nJoints);
    usable.forEach((i, window) => resample(frames, Math.max(begin, time - this.lengths[i]), time, parameters, joints, there, window));
    const found = await this.ask(joints, there, usable.length);
    const scores = new Array(k).fill(-Infinity);
    const lengths = new Array(k).fill(0);
    usable.forEach((i, window) => {
      for (let g = 0; g < k; g++) {
        const value = this.fits[i][g] ? found[window * k + g] : -1;
        if (value > scores[g]) [scores[g], lengths[g]] = [value, this.lengths[i]];
      }
    });
    return { scores, lengths };
  }

  take(time, { scores, lengths }) {
    const { gestures, spotting } = this.parameters;
    this.scores = scores;
    const best = scores.indexOf(Math.max(...scores));
    const passed = scores[best] >= gestures[best].threshold;
    if (this.last && gestures[best].name === this.last.name && passed) {
      if (time - this.over <= spotting.calm || time - lengths[best] < this.last.end + spotting.calm) {
        this.over = Math.max(this.over, time);
        return this.decide(time, -1);
      }
    }
    if (passed) {
      const one = { name: gestures[best].name, start: time - lengths[best], end: time, decided: time, score: scores[best] };
      const clear = !this.last || one.start >= this.last.end - 0.5 * (one.end - one.start);
      if (clear && (!this.best || one.score > this.best.score)) this.best = one;
    }
    const current = this.best ? scores[gestures.findIndex((g) => g.name === this.best.name)] : -1;
    return this.decide(time, current);
  }

  decide(time, current) {
    const { wait, drop } = this.parameters.spotting;
    const { best } = this;
    if (!best || (time - best.end < wait - 1e-6 && current > best.score - drop)) return [];
    this.best = null;
    this.last = { ...best, decided: time };
    this.over = time;
    return [this.last];
  }

  finish() {
    const time = this.frames.length ? this.frames.at(-1).time : 0;
    return this.decide(time + this.parameters.spotting.wait, -1);
  }
}
