"""An agent that pays for each answer of a model, asks a person, and may be killed at any moment.

Each call of the model is a checkpoint: what it has answered is stored, and never asked for again. A call that was made
when the process died is made once more, with the key that it had before, by which the model knows not to charge twice.

    python examples/agent.py essays.db tea http://127.0.0.1:8080
"""

from __future__ import annotations

import json
import sys
import urllib.request
from functools import partial

from cloacina import Context, Runner, TaskHandle, Workflow, task


def ask_model(url: str, prompt: str, key: str) -> str:
    """Pay for an answer of the model; asked with the same key again, it gives the same answer for nothing."""
    body = json.dumps({"prompt": prompt}).encode()
    request = urllib.request.Request(url, body, {"Idempotency-Key": key})  # noqa: S310 - the caller's own model
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        return str(json.load(response)["answer"])


with Workflow("essay") as essay:

    @task
    async def write(context: Context, handle: TaskHandle) -> None:
        async def step(name: str, prompt: str) -> str:
            call = partial(ask_model, context["model"], prompt, handle.idempotency_key(name))
            return str(await handle.checkpoint(name, call))  # in a thread: it blocks

        outline = await step("outline", f"Outline an essay on {context['topic']}.")
        draft = await step("draft", f"Write it by this outline: {outline}")
        wish = await handle.request_input(f"What is to be changed? {draft}", model=str)
        context["essay"] = await step("revision", f"{wish} {draft}")


if __name__ == "__main__":
    database, topic, model = sys.argv[1:]
    with Runner(database, on_exit="leave") as runner:
        execution = runner.submit(essay, {"topic": topic, "model": model}, key=topic)
        print("started" if execution.is_new else "goes on", flush=True)
        print(execution.wait().raise_for_status().context["essay"])
