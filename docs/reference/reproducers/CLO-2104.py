from pathlib import Path

from cloacina.packaging import discover

Path("tasks.py").write_text("from cloacina import task\n\n@task\ndef load(context):\n")
discover(source_root=Path(), entry_module="tasks")
