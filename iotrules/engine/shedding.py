"""Messages that the `limit` of their stream kept out: counted, told of, and not taken for lost ones."""

from __future__ import annotations

from iotrules.engine.moment import Moment
from iotrules.engine.stream_alerts import SHED, note_trouble
from iotrules.model.decisions import Key
from iotrules.model.inputs import Shed


def take_shed(value: Shed, moment: Moment) -> None:
    """So many messages of each topic were received, and not taken in."""
    state, decision = moment.state, moment.decision
    for topic, count in value.counts:
        decision.count("received", by=count)
        route = state.plan.router.route(topic)
        stream = "" if route.stream is None else route.stream.name
        decision.count("shed", stream, by=count)
        if not stream:  # the rules have changed since
            continue
        source = state.sources.get((stream, tuple(text for _, text in route.labels)))
        if source is not None:
            state.mark(("seen", source.name))
            source.shed = True
        key = Key(route.labels)
        note_trouble(SHED, stream, key, count, f"{key or stream} sent more than the limit of {stream}", moment)
