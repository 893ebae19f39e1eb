"""`NAME.test.yaml` beside `NAME.yaml`: cases that are played on the engine and judged, covered, mutated."""

from iotrules.tools.testing.cases import Case, Suite
from iotrules.tools.testing.coverage import Coverage, cover
from iotrules.tools.testing.functions import LocalHandlers
from iotrules.tools.testing.judging import Failure, judge
from iotrules.tools.testing.junit import junit
from iotrules.tools.testing.mutation import MutationReport, mutate
from iotrules.tools.testing.reading import read_suites
from iotrules.tools.testing.world import Run, play

__all__ = [
    "Case",
    "Coverage",
    "Failure",
    "LocalHandlers",
    "MutationReport",
    "Run",
    "Suite",
    "cover",
    "judge",
    "junit",
    "mutate",
    "play",
    "read_suites",
]
