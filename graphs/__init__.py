"""Collaboration protocols, one file each. Every function takes a team and returns an uncompiled LangGraph graph."""

from folkmoot.graphs.confident_select import confident_select
from folkmoot.graphs.critique_refine import critique_refine
from folkmoot.graphs.debate import debate
from folkmoot.graphs.judge_select import judge_select
from folkmoot.graphs.majority_vote import majority_vote
from folkmoot.graphs.route import route

__all__ = ["confident_select", "critique_refine", "debate", "judge_select", "majority_vote", "route"]
