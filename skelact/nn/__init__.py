"""Building blocks of networks. Features inside are joint-major and channels-last: [V, P, T, C]."""
