"""Files and streams: one module per format, read and write."""
