"""Training of networks that turn motion into words: `tasks` says what is learned, `loop` how it goes on."""
