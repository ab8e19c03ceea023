"""Building blocks of networks. Features of skeletons are joint-major and channels-last: ``[V, P, T, C]``.

Those of video are ``[N, C, T, H, W]``, those of single pictures ``[N, C, H, W]``.
"""
