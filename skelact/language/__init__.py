"""Text functions over arrays: vocabularies, decoders, alignment and scores; no networks, no files of recordings."""
