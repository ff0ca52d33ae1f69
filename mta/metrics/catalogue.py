"""Every metric the engine has: name, kind, labels, help. The names are public: dashboards and alerts use them.

Names follow Prometheus's rules (one prefix, base units, `_total` for counters). No label is ever a recipient,
a message, a tenant or a campaign: each value of a label is a series that is kept for ever. docs/metrics.md lists
the same; a test holds the two together and finds the writer of each.
"""

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "mta_"
_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
_CALL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SESSION = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_DELAY = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0, 345600.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `name` without prefix. Gauges of several processes are added up."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


def _counter(name: str, labels: str, help_: str) -> Metric:
    return Metric(name, "counter", tuple(labels.split()), help_)


def _gauge(name: str, labels: str, help_: str) -> Metric:
    return Metric(name, "gauge", tuple(labels.split()), help_)


def _histogram(name: str, labels: str, help_: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, "histogram", tuple(labels.split()), help_, buckets)


METRICS: Final = (
    # mail
    _counter("messages_accepted_total", "class", "Recipients accepted from the submission streams."),
    _counter("ingress_rejected_total", "reason", "Entries and rows refused, by protocol code."),
    _counter("messages_delivered_total", "site pool", "Messages a receiving server took."),
    _counter("messages_deferred_total", "site class", "Attempts that failed for now, by reply class."),
    _counter("messages_bounced_total", "site category", "Messages refused for good, by reply class."),
    _counter("messages_expired_total", "site", "Messages whose lifetime ended."),
    _counter("messages_failed_total", "", "Messages set aside because they could not be made or sent."),
    _counter(
        "messages_unsure_total", "site", "Attempts that ended after the dot, unanswered: may come twice."
    ),
    _counter("dkim_failures_total", "", "Messages set aside because their DKIM key is missing or bad."),
    _counter("events_total", "event", "Events written for the web tier, by kind."),
    # attempts
    _counter("attempts_total", "stage outcome", "Attempts by the stage that decided them."),
    _counter("sessions_opened_total", "site tls", "SMTP sessions opened, by TLS version."),
    _counter("sessions_failed_total", "site stage", "SMTP sessions that could not be opened."),
    _counter(
        "sources_suspended_total", "source", "Suspensions of sources that were gone or refused everywhere."
    ),
    _gauge(
        "source_warmup_cap_messages",
        "source site",
        "What a source that warms up may send a provider today; -1 = any number.",
    ),
    _gauge("source_warmup_used_messages", "source site", "What it has sent of that."),
    _histogram("smtp_session_seconds", "", "Life of SMTP sessions.", _SESSION),
    _histogram("smtp_transaction_seconds", "", "From MAIL to the verdict on one message.", _SESSION),
    _histogram("delivery_seconds", "class", "Time in the queue: from acceptance to delivery.", _DELAY),
    _histogram("prepare_seconds", "", "Time to make one message: render, link, sign.", _FAST),
    _counter("dns_lookups_total", "result", "DNS questions asked: answer, none, error."),
    _histogram("dns_lookup_seconds", "", "Time of one DNS question.", _SESSION),
    # the queue and its server
    _gauge("queue_messages", "class state", "Messages in the queue: ready, packed, scheduled."),
    _gauge("queue_oldest_seconds", "class", "Age of the oldest message among the paths due longest."),
    _gauge("queue_submitted_entries", "class", "Entries in the submission streams, accepted ones left out."),
    _gauge("in_flight_messages", "", "Messages held by workers."),
    _gauge("smtp_connections", "site", "Open SMTP sessions."),
    _gauge("site_backoff", "site", "1 while a site is paused because it refuses or does not answer."),
    _gauge(
        "gates_closed",
        "kind",
        "Tenants, campaigns, sites and sources that are held or suspended, and campaigns of which only a canary goes.",
    ),
    _gauge("events_lag", "group", "Events a consumer group has not read or not acknowledged."),
    _counter("events_trimmed_total", "", "Events trimmed before every group had read them."),
    _gauge("redis_memory_ratio", "", "Used share of Redis's maxmemory, 0 without one."),
    _gauge("redis_away_processes", "", "Processes that Redis does not answer."),
    _gauge("clock_off_processes", "", "Processes whose host's clock differs from Redis's by more than 5 s."),
    _histogram("redis_call_seconds", "call", "Time of one call to Redis, as the caller sees it.", _CALL),
    _counter("redis_errors_total", "", "Calls to Redis that failed."),
    _counter("lease_lost_total", "", "Calls refused because a worker's lease had passed on."),
    # the guard
    _counter("guard_warnings_total", "kind cause", "Tenants, campaigns and sources the guard warned of."),
    _counter("guard_holds_total", "kind cause", "Tenants and campaigns the guard began to hold."),
    _gauge("guard_held", "kind", "Tenants and campaigns the guard holds, until a person releases them."),
    # what comes back
    _counter("reports_total", "kind", "Mail that came back, by what it turned out to be."),
    _counter("inbound_refused_total", "reason", "Inbound connections and recipients refused."),
    _counter("web_requests_total", "route status", "HTTP requests."),
    _counter("web_events_dropped_total", "", "Events lost because the spool was full while Redis was away."),
    _gauge("web_spooled_bytes", "", "Size of the files in which events wait for Redis."),
    # the engine itself
    _counter("maillog_lost_total", "", "Lines of the mail log that could not be written."),
    _counter("reloads_total", "result", "Configurations read again: used, refused."),
    _gauge("reload_refused", "", "1 while the last configuration that was read again was refused."),
    _gauge("certificate_expiry_seconds", "file", "Seconds until a certificate of the settings ends."),
    _gauge("processes", "role", "Running processes of the engine."),
    _counter("process_starts_total", "role", "Processes started: more than one for a name is a restart."),
    _counter("process_cpu_seconds_total", "role", "Processor time, user and system."),
    _gauge("process_resident_bytes", "role", "Memory in use."),
    _gauge("process_open_fds", "role", "Open file descriptors."),
    _gauge("process_max_fds", "role", "File descriptors the processes may open, added up."),
    _histogram("loop_lag_seconds", "role", "How late the event loop ran what was due.", _CALL),
)

BY_NAME: Final = {metric.name: metric for metric in METRICS}
