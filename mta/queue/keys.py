"""Every Redis key the engine uses: its name is made here and nowhere else.

Public keys (docs/protocol.md) carry the prefix alone; private keys of a shard carry its hash tag, so that
whatever one script touches lies in one cluster slot. docs/redis.md says what each holds.
"""

from dataclasses import dataclass

from mta.message import Class


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix, for `shards` shards."""

    prefix: str = "mta:"
    shards: int = 1

    def base(self, shard: int) -> str:
        """The prefix of a shard's private keys: what every script gets as KEYS[1]."""
        return f"{self.prefix}{{{shard}}}:"

    def events(self, shard: int) -> str:
        """The shard's event stream."""
        return f"{self.base(shard)}events"

    def submit(self, cls: Class) -> str:
        """The submission stream of a class."""
        return self.submit_stream(cls.label)

    def submit_stream(self, label: str) -> str:
        """The submission stream of a class's label, or of `control`."""
        return f"{self.prefix}submit:{label}"

    @property
    def control(self) -> str:
        """The stream of `tenant` and `control` entries."""
        return f"{self.prefix}submit:control"

    @property
    def audit(self) -> str:
        """The stream of who did what: the audit log."""
        return f"{self.prefix}audit"

    @property
    def dead(self) -> str:
        """The stream of refused entries."""
        return f"{self.prefix}dead"

    @property
    def status(self) -> str:
        """HASH: the engine's health, for producers."""
        return f"{self.prefix}status"

    def progress(self, tenant: str, campaign: str) -> str:
        """HASH: a campaign's running totals, for progress bars."""
        return f"{self.prefix}progress:{tenant}:{campaign}"

    def blob(self, digest: str) -> str:
        """STRING: bytes a producer put aside, by their SHA-256."""
        return f"{self.prefix}blob:{digest}"

    def campaign(self, tenant: str, campaign: str) -> str:
        """HASH: a campaign's document, its class and digest."""
        return f"{self.prefix}campaign:{tenant}:{campaign}"

    def tenant(self, tenant: str) -> str:
        """STRING: a tenant's document."""
        return f"{self.prefix}tenant:{tenant}"

    def site(self, domain: str) -> str:
        """STRING with a time to live: the site that a domain belongs to."""
        return f"{self.prefix}site:{domain}"

    def sts(self, domain: str) -> str:
        """STRING with a time to live: the MTA-STS policy of a domain, as fetched."""
        return f"{self.prefix}sts:{domain}"

    def tlsrpt(self, day: str) -> str:
        """HASH: how many sessions of a day (of UTC, "2026-10-30") ended alike, for TLS reports."""
        return f"{self.prefix}tlsrpt:{day}"

    @property
    def tlsrpt_days(self) -> str:
        """SET: the days that have such a HASH."""
        return f"{self.prefix}tlsrpt-days"

    @property
    def tlsrpt_duty(self) -> str:
        """STRING with a time to live: which keeper sends TLS reports now."""
        return f"{self.prefix}tlsrpt-duty"

    def approved(self, tenant: str) -> str:
        """SET: campaigns of a tenant that somebody approved, at most 1,000."""
        return f"{self.prefix}approved:{tenant}"

    @property
    def tenants(self) -> str:
        """SET: the ids of the tenants that have a document."""
        return f"{self.prefix}tenants"

    @property
    def campaigns(self) -> str:
        """ZSET: "<tenant>|<campaign>" by time of arrival."""
        return f"{self.prefix}campaigns"

    def suppression(self, tenant: str, list_: str) -> str:
        """HASH: keyed digest of an address -> why it gets no mail from this tenant (and list)."""
        return f"{self.prefix}suppress:{tenant}:{list_}"

    @property
    def suppressing(self) -> str:
        """HASH: when a tenant's suppressions changed last, in all and by list ("<tenant>|<list>")."""
        return f"{self.prefix}suppressing"

    def strikes(self, tenant: str) -> str:
        """HASH: keyed digest of an address or domain -> failures that are not enough yet."""
        return f"{self.prefix}strikes:{tenant}"

    @property
    def striking(self) -> str:
        """SET: tenants that have such failures, or had some."""
        return f"{self.prefix}striking"

    @property
    def roll(self) -> str:
        """HASH: "<host>/<process>" to when and how it last gave a sign."""
        return f"{self.prefix}roll"

    @property
    def rates(self) -> str:
        """LIST: how much mail moved in the last intervals, newest first."""
        return f"{self.prefix}rates"
