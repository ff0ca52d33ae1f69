"""What a role counts and logs while it works: a worker's results into metrics and mail log."""

from mta.maillog import MailLog
from mta.message import Class
from mta.metrics.meter import Meter
from mta.queue.lanes import Result

_CLASSES = tuple(cls.label for cls in Class)


class Watch:
    """Told of every settled result of a worker."""

    def __init__(self, meter: Meter, log: MailLog) -> None:
        self.meter = meter
        self.log = log

    def told(self, result: Result) -> None:
        """Count a result and write its line."""
        if not result.event:
            return  # given back: nothing happened
        count = self.meter.count
        cls, pool, site, _, _ = result.lane.split("|")
        kind = result.kind
        event = result.event
        if kind == "delivered":
            count("messages_delivered_total", site, pool)
            # "delay_ms" stands at a fixed place (mta.workers.outcome.event_fields)
            self.meter.observe(
                "delivery_seconds", int(event[event.index("delay_ms") + 1]) / 1000, _CLASSES[int(cls)]
            )
        elif kind == "deferred":
            count("messages_deferred_total", site, event[event.index("class") + 1] or "unknown")
        elif kind == "bounced":
            count("messages_bounced_total", site, event[event.index("class") + 1] or "unknown")
        elif kind == "expired":
            count("messages_expired_total", site)
        elif kind == "failed":
            count("messages_failed_total")
        self.log.flat(event)
