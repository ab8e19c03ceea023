"""Pure batched functions on tensors: normalise, resample, augment, streams."""
