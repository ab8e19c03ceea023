"""Metrics, calibration, pictures and reports. Sees arrays, never models."""
