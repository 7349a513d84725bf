from pathlib import Path

from cloacina.packaging import discover

Path("sales").mkdir()
Path("sales/tasks.py").touch()
discover(source_root=Path(), entry_module="sales.task")
