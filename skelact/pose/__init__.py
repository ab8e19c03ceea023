"""Video to skeletons: estimators, tracking, smoothing, model files."""
