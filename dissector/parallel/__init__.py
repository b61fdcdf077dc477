"""Several processes on one reading: workers decode what messages hold, and what comes of it is in the order of packets.

One process reads packets, puts streams and messages together and keeps all state, as it does alone; so there is one
order, and each limit holds for all of a run. What takes most of the time concerns one message alone: that is what
workers do. A message goes to the worker that its body says, so that the one that decodes what is published is given
what is delivered, too, and need not decode it again; that is why they are not given a connection each.
"""

from dissector.parallel.alone import Alone, Done
from dissector.parallel.crew import Crew
from dissector.parallel.task import EVENTS, Task

__all__ = ["EVENTS", "Alone", "Crew", "Done", "Task"]
