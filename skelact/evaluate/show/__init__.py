"""A self-contained page on which recordings are looked at: rotate, scrub, compare."""
