"""What each release feeds its network, one file a family of loaders: arrays in, arrays out."""
