"""Two contributed adapters on one base, and a member behind an OpenAI-compatible endpoint, debate a question.

Run it from this folder: first `python make_adapters.py`, then `python panel.py`. If nothing listens at the endpoint, its
member is an absent voter and the others decide. On a GPU, use `VllmEngine(model, max_loras=8)` for the base.
"""

import asyncio
import os

from folkmoot import OpenAIEngine, Participant, TransformersEngine
from folkmoot.graphs import debate

URL = os.environ.get("OTHER_URL", "http://127.0.0.1:8001/v1")
MODEL = os.environ.get("OTHER_MODEL", "other-model")


async def main() -> None:
    base = TransformersEngine("smollm2-135m-instruct")
    team = [
        Participant("ana", base, adapter="./adapters/ana-units"),
        Participant("bo", base, adapter="./adapters/bo-dates"),
        Participant("cy", OpenAIEngine(URL, MODEL, retries=1)),
    ]
    panel = debate(team, rounds=2, sees="neighbours", decide="vote").compile()
    result = await panel.ainvoke({"question": "What is 17 * 24?"})
    print(result["answer"], result["turns"])
    for member in team:
        await member.engine.close()


if __name__ == "__main__":
    asyncio.run(main())
