"""multiprocessing's Pool on Ray."""

from ray.util.multiprocessing import Pool


def cube(number: int) -> int:
    return number**3


if __name__ == "__main__":
    with Pool(2) as pool:
        print(pool.map(cube, range(20)))
