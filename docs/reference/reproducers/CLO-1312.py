from cloacina import Client

with Client("orders.db") as client:
    client.answer("no-such-question", True)
