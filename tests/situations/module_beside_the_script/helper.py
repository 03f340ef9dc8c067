VOWELS = set("aeiou")


def vowels(word):
    return sum(letter in VOWELS for letter in word)
