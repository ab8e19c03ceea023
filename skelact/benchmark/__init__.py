"""Yardsticks and measurements behind `skelact benchmark`."""
