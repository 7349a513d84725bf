from pathlib import Path

from cloacina.packaging import discover

Path("tasks.py").write_text("""\
from cloacina import task

for region in ("north", "south"):

    @task(id=f"load-{region}")
    def load(context): ...
""")
discover(source_root=Path(), entry_module="tasks")
