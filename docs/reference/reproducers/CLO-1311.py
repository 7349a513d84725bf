from cloacina import Client

with Client("orders.db") as client:
    execution = client.submit("order")
    execution.cancel()
    client.signal(execution.id, "paid")
