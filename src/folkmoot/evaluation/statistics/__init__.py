"""What few numbers can and cannot tell: intervals, paired tests, planning. Pure functions, repeatable by their seed."""

from folkmoot.evaluation.statistics.clustering import Unit as Unit
from folkmoot.evaluation.statistics.clustering import units as units
from folkmoot.evaluation.statistics.intervals import Difference as Difference
from folkmoot.evaluation.statistics.intervals import Interval as Interval
from folkmoot.evaluation.statistics.intervals import design_effect as design_effect
from folkmoot.evaluation.statistics.intervals import wilson as wilson
from folkmoot.evaluation.statistics.margins import equivalence as equivalence
from folkmoot.evaluation.statistics.margins import non_inferiority as non_inferiority
from folkmoot.evaluation.statistics.multiplicity import holm as holm
from folkmoot.evaluation.statistics.permutation import mcnemar as mcnemar
from folkmoot.evaluation.statistics.permutation import sign_flip as sign_flip
from folkmoot.evaluation.statistics.planning import Design as Design
from folkmoot.evaluation.statistics.planning import detectable as detectable
from folkmoot.evaluation.statistics.planning import observed as observed
from folkmoot.evaluation.statistics.planning import sample_size as sample_size
from folkmoot.evaluation.statistics.resampling import FEWEST_DIFFERING as FEWEST_DIFFERING
from folkmoot.evaluation.statistics.resampling import Bootstrap as Bootstrap
from folkmoot.evaluation.statistics.resampling import bca as bca
from folkmoot.evaluation.statistics.resampling import bootstrap as bootstrap
