"""How often the router's first choice is the contributor whose field a question is in: needs no language model.

Dev questions that are among a contributor's examples are left out. Run it with ``dev`` or ``test``.
"""

import asyncio
import sys
from pathlib import Path

from folkmoot.engines.encoder import SentenceEncoder
from folkmoot.engines.transformers import TransformersEngine
from folkmoot.evaluation.tasks import load_split, own_task
from folkmoot.routing import Similarity, chosen
from folkmoot.team import read_team


async def main(split: str) -> None:
    """Print a line for each contributor, and one for all."""
    manifests = read_team(Path(__file__).parent)
    base = TransformersEngine("smollm2-135m-instruct")  # it is never asked, so it never loads
    team = [m.participant(base) for m in manifests]
    router, asked, hits, unsure = Similarity(SentenceEncoder()), 0, 0, 0
    for i, m in enumerate(manifests):
        questions = [item.question for item in load_split(own_task(m), split).items]
        fresh = [q for q in questions if not q.startswith(team[i].examples)]
        picks = [chosen(await router.scores(q, team), k=1, margin=0.02) for q in fresh]
        own, whole = sum(p == [i] for p in picks), sum(p is None for p in picks)
        print(f"{m.name:12} {own:3} of {len(fresh)}, and everybody asked on {whole}")
        asked, hits, unsure = asked + len(fresh), hits + own, unsure + whole
    print(f"{'all':12} {hits:3} of {asked} = {100 * hits / asked:.1f} %, and everybody asked on {unsure}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "dev"))
