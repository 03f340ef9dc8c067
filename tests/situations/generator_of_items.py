# "My input is a generator, since it does not fit a list comfortably"
import hashlib


def read_lines():
    for i in range(300):
        yield f"line {i}: " + "abc" * (i % 50)


# some write it like this
lines = (line.upper() for line in read_lines())


def checksum(line):
    digest = line.encode()
    for _ in range(2000):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()
