from pathlib import Path

from cloacina.packaging import discover

Path("tasks.py").write_text("def load(context): ...\n")
discover(source_root=Path(), entry_module="tasks")
