import sqlite3
from contextlib import closing

from cloacina import Runner

with Runner("sqlite:///reports.db"):
    pass

# What a newer version of Cloacina would leave behind.
with closing(sqlite3.connect("reports.db")) as connection:
    connection.execute("UPDATE cloacina_revision SET version_num = '9999'")
    connection.commit()

with Runner("sqlite:///reports.db"):
    pass
