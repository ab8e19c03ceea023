"""Building blocks of networks. Features are joint-major and channels-last: ``[V, P, T, C]``."""
