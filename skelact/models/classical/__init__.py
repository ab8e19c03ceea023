"""Methods before deep networks: descriptors of videos, codebooks and support vector machines, on arrays."""
