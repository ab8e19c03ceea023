// One recording: positions, scores and times as they were packed.
class Recording {
  constructor(packed) {
    Object.assign(this, packed);
    [this.nPeople, this.nFrames, this.nJoints, this.dims] = packed.shape;
    this.xyz = new Int16Array(this.bytes(packed.positions).buffer);
    this.scores = this.bytes(packed.scores);
    this.times = packed.times ? new Float32Array(this.bytes(packed.times).buffer) : null;
  }

  bytes(text) {
    return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  }

  // Seconds of a frame from the first on.
  secondsOf(frame) {
    return this.times ? this.times[frame] : frame / this.fps;
  }

  // The frame that is shown at a moment: the last that has begun.
  frameAt(seconds) {
    const last = this.nFrames - 1;
    if (!this.times) return Math.max(0, Math.min(last, Math.floor(seconds * this.fps + 1e-4)));
    let low = 0, high = last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.times[middle] <= seconds + 1e-5) low = middle; else high = middle - 1;
    }
    return low;
  }

  score(person, frame, joint) {
    return this.scores[(person * this.nFrames + frame) * this.nJoints + joint] / 255;
  }

  // [right, up, towards the viewer]; flat recordings have 0 as the third.
  point(person, frame, joint) {
    const at = ((person * this.nFrames + frame) * this.nJoints + joint) * this.dims;
    const out = [0, 0, 0];
    for (let k = 0; k < this.dims; k++) out[k] = this.centre[k] + this.step * this.xyz[at + k];
    return out;
  }

  // The middle of the hips of the first person that is there, or of all their joints.
  middle(frame, least) {
    for (let person = 0; person < this.nPeople; person++) {
      const there = [];
      for (let v = 0; v < this.nJoints; v++) if (this.score(person, frame, v) >= least) there.push(v);
      if (!there.length) continue;
      const hips = there.filter((v) => /hip|pelvis|spine base/.test(this.joints[v]));
      const used = hips.length ? hips : there, sum = [0, 0, 0];
      for (const v of used) this.point(person, frame, v).forEach((x, k) => { sum[k] += x / used.length; });
      return sum;
    }
    return null;
  }

  labelAt(frame) {
    if (!this.labels) return null;
    const run = this.labels.runs.find(([first, n]) => frame >= first && frame < first + n);
    return run ? run[2] : null;
  }

  get title() {
    return this.label && this.label !== this.id ? `${this.label} · ${this.id}` : this.id;
  }
}
