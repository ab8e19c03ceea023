// A person's pose and hands by MediaPipe, as the 75 joints that the vocabulary knows (pose 33, left 21, right 21).

import { FilesetResolver, HandLandmarker, PoseLandmarker } from "/packages/vision_bundle.mjs";

const WRISTS = [15, 16];
const N_POSE = 33;
const N_HAND = 21;

export async function loadPose() {
  const files = await FilesetResolver.forVisionTasks("/packages");
  const options = (name) => ({ baseOptions: { modelAssetPath: `/models/${name}.task`, delegate: "CPU" }, runningMode: "VIDEO" });
  const pose = await PoseLandmarker.createFromOptions(files, { ...options("pose_landmarker_full"), numPoses: 1 });
  const hands = await HandLandmarker.createFromOptions(files, { ...options("hand_landmarker_full"), numHands: 2 });
  return { look: (picture, ms) => joined(pose.detectForVideo(picture, ms), hands.detectForVideo(picture, ms), size(picture)) };
}

function size(picture) {
  return [picture.videoWidth || picture.width, picture.videoHeight || picture.height];
}

/** Kinect's axes: x to the picture's left, y up. */
const turned = (point) => [-point.x, -point.y, point.z];

/** Pose and hands as one person: {joints, score, picture}; null if nobody is seen. */
export function joined(pose, hands, [width, height]) {
  if (!pose.landmarks.length) return null;
  const flat = pose.landmarks[0];
  const joints = pose.worldLandmarks[0].map(turned);
  const score = flat.map((point) => (point.visibility >= 0.1 ? point.visibility : 0));
  for (let i = N_POSE; i < N_POSE + 2 * N_HAND; i++) {
    joints.push([0, 0, 0]);
    score.push(0);
  }
  const far = (hand, side) =>
    Math.hypot((hand[0].x - flat[WRISTS[side]].x) * width, (hand[0].y - flat[WRISTS[side]].y) * height);
  const forearm = Math.max(
    ...[0, 1].map((side) => Math.hypot((flat[13 + side].x - flat[15 + side].x) * width, (flat[13 + side].y - flat[15 + side].y) * height)),
  );
  // left or right by the nearest wrist, not by the label
  const pairs = hands.landmarks.flatMap((hand, h) => [0, 1].map((side) => ({ h, side, far: far(hand, side) })));
  pairs.sort((a, b) => a.far - b.far);
  const taken = new Set();
  for (const { h, side, far: distance } of pairs) {
    if (taken.has(`hand ${h}`) || taken.has(`side ${side}`) || distance > forearm) continue;
    taken.add(`hand ${h}`).add(`side ${side}`);
    const world = hands.worldLandmarks[h].map(turned);
    const wrist = joints[WRISTS[side]];
    world.forEach((point, i) => {
      joints[N_POSE + side * N_HAND + i] = point.map((value, c) => value - world[0][c] + wrist[c]);
      score[N_POSE + side * N_HAND + i] = 1;
    });
  }
  const picture = flat.map((p) => [p.x, p.y]).concat(new Array(2 * N_HAND).fill(null));
  for (const entry of pairs) {
    if (score[N_POSE + entry.side * N_HAND] && taken.has(`hand ${entry.h}`)) {
      hands.landmarks[entry.h].forEach((p, i) => (picture[N_POSE + entry.side * N_HAND + i] ??= [p.x, p.y]));
    }
  }
  return { joints, score, picture };
}
