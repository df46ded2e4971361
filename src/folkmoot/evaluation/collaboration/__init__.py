"""What collaboration did: who changed whose mind, and whether the whole was more than its members."""

from folkmoot.evaluation.collaboration.bounds import bounds as bounds
from folkmoot.evaluation.collaboration.costs import Price as Price
from folkmoot.evaluation.collaboration.observe import collaboration as collaboration
