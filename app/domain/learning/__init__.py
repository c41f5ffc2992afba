"""What labels and traffic say about automation: calibration, fast cap, estimates, overrides, patterns.

Pure: records in, values and events out (docs/learning.md).
"""
