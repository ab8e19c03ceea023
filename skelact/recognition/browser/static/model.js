// The exported vocabulary in onnxruntime-web: one thread of WebAssembly, nothing leaves the browser.

import * as ort from "/packages/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = "/packages/";
ort.env.wasm.numThreads = 1;

export async function loadModel() {
  const parameters = await (await fetch("/gestures.json")).json();
  const bytes = new Uint8Array(await (await fetch("/gestures.onnx")).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const { steps } = parameters;
  const nJoints = parameters.joints.length;

  /** Scores and vectors of n windows. */
  async function run(joints, there, n) {
    const answer = await session.run({
      joints: new ort.Tensor("float32", joints, [n, steps, nJoints, 3]),
      present: new ort.Tensor("float32", there, [n, steps, nJoints]),
    });
    return { scores: answer.scores.data, vectors: answer.vector.data };
  }
  return { parameters, run, ask: async (joints, there, n) => (await run(joints, there, n)).scores };
}
