"""Training of segmentation networks on untrimmed recordings."""
