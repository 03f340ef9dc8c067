# "My tasks return large arrays and ray.get takes forever"
import numpy as np

tiles = list(range(12))


def render(tile):
    y, x = np.mgrid[0:1500, 0:1500]
    return ((x * (tile + 1) + y * y) % 251).astype(np.float64)  # 18 MB
