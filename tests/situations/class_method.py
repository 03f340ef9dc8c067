# "How do I parallelize a method of my class?"
class Model:
    weights = None

    @classmethod
    def load(cls):
        cls.weights = [(i * 7919) % 101 for i in range(2000)]

    @classmethod
    def score(cls, text):
        if cls.weights is None:
            cls.load()
        return sum(cls.weights[(ord(letter) * i) % 2000] for i, letter in enumerate(text * 300))

    def predict(self, text):
        return self.score(text) > 100_000


texts = [f"customer review number {i}" for i in range(60)]
