# "Ray is 100x slower than a for loop"
numbers = range(2000)


def square(x):
    return x * x
