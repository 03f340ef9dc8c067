# "ModuleNotFoundError: No module named 'helper' on the workers"
from helper import vowels

text = "anyone who reads this far may call it a day or read on to the very end"
words = [word * 500 for word in text.split()]


def score(word):
    return vowels(word) * len(word)
