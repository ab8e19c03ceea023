"""Signing: annotation files of the public sets, utterances with glosses and text, streams made of isolated signs."""
