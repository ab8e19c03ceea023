"""Networks, one file per paper family, which only arrange the blocks of nn."""
