"""Taught gestures in a browser: pictures never leave it; MediaPipe and onnxruntime run in WebAssembly."""
