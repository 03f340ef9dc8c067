# "I went from 1 to 8 workers and the run takes exactly as long. CPU usage is low. What am I doing wrong?"
import os
import sqlite3
import tempfile

DATABASE = os.path.join(tempfile.gettempdir(), f"scores-{os.getuid()}.sqlite")

users = list(range(60))


def process_user(user):
    connection = sqlite3.connect(DATABASE, timeout=60, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS scores (user INTEGER PRIMARY KEY, score INTEGER)")
    # make sure that nobody else changes the table while we compute
    connection.execute("BEGIN IMMEDIATE")
    score = 0
    for i in range(200_000):
        score = (score * 31 + user + i) % 1_000_003
    connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?)", (user, score))
    connection.execute("COMMIT")
    connection.close()
    return score
