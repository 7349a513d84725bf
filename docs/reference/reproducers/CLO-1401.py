from cloacina import Runner

with Runner("sqlite:///no/such/folder/reports.db"):
    pass
